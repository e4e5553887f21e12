class Network(ResNet):
    """ResNet with bottleneck blocks BLOCKSDIFFERENCES."""

    def __init__(self):
        super().__init__(Bottleneck, BLOCKS, num_classes=len(LABELS))INIT
FORWARD

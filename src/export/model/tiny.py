class Network(nn.Module):
    """A few 3 x 3 convolutions with BatchNorm, ReLU and max-pooling each, then global average pooling."""

    def __init__(self):
        super().__init__()
        layers, inputs = [], CHANNELS
        for width in WIDTHS:
            layer = {"conv": nn.Conv2d(inputs, width, 3, padding=1, bias=False), "bn": nn.BatchNorm2d(width)}
            layers.append(nn.ModuleDict(layer))
            inputs = width
        self.features = nn.ModuleList(layers)
        self.fc = nn.Linear(inputs + EXTRA, len(LABELS))

    def forward(self, x, META_ARGUMENT):
        for layer in self.features:
            x = nn.functional.max_pool2d(torch.relu(layer["bn"](layer["conv"](x))), 2)
        x = x.mean((2, 3))
        return self.fc(LAST)

class Network(nn.Module):
    """The layers of LAYERS, with torchvision's names. A module is made when the first image reaches it."""

    def __init__(self):
        super().__init__()
        self.eval()
        with torch.no_grad():
            self(FIRST)

    def forward(self, ARGUMENTS):
        for layer in LAYERS:
            x = getattr(self, layer["layer"].replace("-", "_"))(x, **{k: v for k, v in layer.items() if k != "layer"})
        return self.made(HEAD, lambda: nn.Linear(FEATURES, len(LABELS)))(LAST)

    def made(self, name, make):
        *path, last = name.split(".")
        module = self
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        if not hasattr(module, last):
            module.add_module(last, make().eval())
        return getattr(module, last)

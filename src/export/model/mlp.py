class Network(nn.Module):
    """A perceptron on age, gender and view position."""

    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for units in HIDDEN:
            layers.append(nn.Linear(inputs, units))
            inputs = units
        self.hidden = nn.ModuleList(layers)
        self.fc = nn.Linear(inputs, len(LABELS))

    def forward(self, x):
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.fc(x)

    def dense(self, x, name, hidden):
        for number, units in enumerate(hidden):
            x = torch.relu(self.made(f"{name}.{number}", lambda: nn.Linear(x.shape[1], units))(x))
        return x

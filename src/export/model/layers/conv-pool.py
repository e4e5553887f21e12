    def conv_pool(self, x, name, widths):
        for number, width in enumerate(widths):
            x = self.convolution(x, f"{name}.{number}.conv", width, 3)
            x = nn.functional.max_pool2d(torch.relu(self.batch_norm(x, f"{name}.{number}.bn")), 2)
        return x

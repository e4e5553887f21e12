    def convolution(self, x, name, channels, kernel, stride=1):
        return self.made(
            name, lambda: nn.Conv2d(x.shape[1], channels, kernel, stride=stride, padding=kernel // 2, bias=False)
        )(x)

    def batch_norm(self, x, name):
        return self.made(name, lambda: nn.BatchNorm2d(x.shape[1]))(x)

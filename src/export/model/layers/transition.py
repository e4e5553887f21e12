    def transition(self, x, name):
        x = self.convolution(self.norm(x, f"{name}.norm"), f"{name}.conv", x.shape[1] // 2, 1)
        return nn.functional.avg_pool2d(x, 2)

    def residual(self, x, name, block, blocks, planes, stride):
        shapes = {
            "basic": [(planes, 3, stride), (planes, 3, 1)],
            "bottleneck": [(planes, 1, 1), (planes, 3, stride), (4 * planes, 1, 1)],
        }[block]
        for number in range(blocks):
            y = x
            for place, (channels, kernel, step) in enumerate(shapes, 1):
                y = torch.relu(y) if place > 1 else y
                y = self.convolution(y, f"{name}.{number}.conv{place}", channels, kernel, step if number == 0 else 1)
                y = self.batch_norm(y, f"{name}.{number}.bn{place}")
            if y.shape != x.shape or number == 0 and stride != 1:
                x = self.convolution(x, f"{name}.{number}.downsample.0", y.shape[1], 1, stride if number == 0 else 1)
                x = self.batch_norm(x, f"{name}.{number}.downsample.1")
            x = torch.relu(y + x)
        return x

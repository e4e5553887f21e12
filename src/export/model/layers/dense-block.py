    def dense_block(self, x, name, depth, growth, bottleneck):
        for number in range(1, depth + 1):
            layer = f"{name}.denselayer{number}"
            y = self.convolution(self.norm(x, f"{layer}.norm1"), f"{layer}.conv1", bottleneck * growth, 1)
            y = self.convolution(self.norm(y, f"{layer}.norm2"), f"{layer}.conv2", growth, 3)
            x = torch.cat([x, y], 1)
        return x

    def conv(self, x, name, norm, channels, kernel, stride):
        return torch.relu(self.batch_norm(self.convolution(x, name, channels, kernel, stride), norm))

    def norm(self, x, name):
        return torch.relu(self.batch_norm(x, name))

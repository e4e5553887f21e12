
    def forward(self, x, meta):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.cat([self.avgpool(x).flatten(1), meta], 1))

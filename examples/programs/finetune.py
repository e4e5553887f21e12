"""Fine-tunes torchvision's DenseNet-121, or a small vision transformer, with plain PyTorch.

    reg run --dataset D --split S --fold 0 --name vit-f0 --input weights=vit.pt --env EPOCHS=3 --env SIZE=224 \\
        -- python3 finetune.py vit {weights}

`weights` is a state dict; its last layer is replaced if it has other outputs. The epoch of the lowest loss is kept.
"""
import csv, json, os, sys

import torch
from PIL import Image
from torchvision.models import VisionTransformer, densenet121
from torchvision.transforms import functional as F

job, out, size = json.load(open(os.environ["REG_JOB"])), os.environ["REG_OUT"], int(os.environ.get("SIZE", "224"))
torch.manual_seed(job["seed"])
torch.use_deterministic_algorithms(True)


class Images(torch.utils.data.Dataset):
    def __init__(self, subset):
        with open(job[subset], newline="", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        row = self.rows[place]
        image = F.to_tensor(Image.open(row["path"]).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        # A label that is unknown does not count; test images have none.
        labels = torch.tensor([float(row.get(label) or "nan") for label in job["labels"]])
        return F.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), labels


def network(name, labels):
    if name == "densenet121":
        return densenet121(num_classes=labels)
    return VisionTransformer(size, size // 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=labels)


def loss_of(logits, labels):
    known = ~labels.isnan()
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])


def logits_of(model, images):
    model.eval()
    with torch.no_grad():
        return [torch.cat(parts) for parts in zip(*((model(x), y) for x, y in torch.utils.data.DataLoader(images, 16)))]


model = network(sys.argv[1], len(job["labels"]))
own, given = model.state_dict(), torch.load(sys.argv[2], weights_only=True)
fits = {name: tensor for name, tensor in given.items() if name in own and tensor.shape == own[name].shape}
model.load_state_dict({**own, **fits})
subsets = {name: Images(name) for name in ("train", "val", "test")}
optimizer, best = torch.optim.Adam(model.parameters(), lr=1e-4), None
for epoch in range(1, int(os.environ.get("EPOCHS", "3")) + 1):
    model.train()
    losses = []
    for images, labels in torch.utils.data.DataLoader(subsets["train"], 16, shuffle=True):
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    val_loss = loss_of(*logits_of(model, subsets["val"])).item()
    with open(os.path.join(out, "epochs.jsonl"), "a" if epoch > 1 else "w", encoding="utf-8") as file:
        file.write(json.dumps({"epoch": epoch, "train_loss": sum(losses) / len(losses), "val_loss": val_loss}) + "\n")
    if best is None or val_loss < best:
        best = val_loss
        torch.save(model.state_dict(), os.path.join(out, "checkpoint.pt"))
model.load_state_dict(torch.load(os.path.join(out, "checkpoint.pt"), weights_only=True))
with open(os.path.join(out, "scores.csv"), "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["Image Index", *(f"logit_{label}" for label in job["labels"])])
    for images in (subsets["val"], subsets["test"]):
        for row, logits in zip(images.rows, logits_of(model, images)[0].tolist()):
            writer.writerow([row["Image Index"], *map(repr, logits)])

"""ResNet-50 in PyTorch, as one would write it for the same task as `reg train` and `reg eval`: the peer.

    pytorch.py steps|predict|epoch [options]          prints one JSON document

`steps` and `predict` run on tensors that are in memory; `epoch` decodes PNGs with PIL in a DataLoader. Adam is
the fastest of PyTorch's three (fused, foreach, for-loop) on these parameters, found before the clock starts.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
import time

import torch
import torchvision
from PIL import Image
from torchvision import transforms

LABELS = (
    "Atelectasis|Cardiomegaly|Consolidation|Edema|Effusion|Emphysema|Fibrosis|Hernia|Infiltration|Mass|No Finding|"
    "Nodule|Pleural_Thickening|Pneumonia|Pneumothorax"
).split("|")
NORMALISE = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
ADAMS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "for-loop": {"foreach": False, "fused": False}}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "predict", "epoch"))
    parser.add_argument("--layout", choices=("default", "channels_last"), default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--tf32", choices=("yes", "no"), default="no", help="TensorFloat-32 in f32 on a GPU")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--images", help="folder of PNGs")
    parser.add_argument("--metadata", help="their CSV, in the order in which they are used")
    parser.add_argument("--train", type=int, help="how many of them are trained on; the next are validated on")
    parser.add_argument("--val", type=int)
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    return parser.parse_args()


class Bench:
    def __init__(self, options):
        self.options = options
        self.device = torch.device(options.device)
        torch.set_num_threads(options.threads)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.tf32 == "yes"
        self.layout = torch.channels_last if options.layout == "channels_last" else torch.contiguous_format
        model = torchvision.models.resnet50(weights=None, num_classes=len(LABELS))
        self.model = model.to(self.device, memory_format=self.layout)
        self.loss = torch.nn.BCEWithLogitsLoss()

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def adam(self, name):
        return torch.optim.Adam(self.model.parameters(), lr=1e-4, **ADAMS[name])

    def fastest_adam(self):
        """Its name, and milliseconds of a step of each."""
        took = {}
        for parameter in self.model.parameters():
            parameter.grad = torch.full_like(parameter, 1e-4)
        for name in ADAMS:
            adam = self.adam(name)
            adam.step()
            times = []
            for _ in range(5):
                self.wait()
                start = time.monotonic()
                adam.step()
                self.wait()
                times.append(time.monotonic() - start)
            took[name] = round(sorted(times)[2] * 1e3, 1)
        return min(took, key=took.get), took

    def forward(self, x):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"):
            return self.model(x).float()

    def step(self, adam, x, y):
        loss = self.loss(self.forward(x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    def to(self, x):
        return x.to(self.device, non_blocking=True).contiguous(memory_format=self.layout)


def repeated(bench, each):
    """Images a second of the steps behind the warm-up."""
    how = bench.options
    for _ in range(how.warmup):
        each()
    bench.wait()
    start = time.monotonic()
    for _ in range(how.steps):
        each()
    bench.wait()
    return how.batch * how.steps / (time.monotonic() - start)


def steps(bench):
    how = bench.options
    name, took = bench.fastest_adam()
    adam = bench.adam(name)
    x = bench.to(torch.randn(how.batch, 3, how.side, how.side))
    y = (torch.rand(how.batch, len(LABELS)) < 0.1).float().to(bench.device)
    bench.model.train()
    return {"rate": repeated(bench, lambda: bench.step(adam, x, y)), "adam": name, "adam_ms": took}


def predict(bench):
    how = bench.options
    x = bench.to(torch.randn(how.batch, 3, how.side, how.side))
    bench.model.eval()
    with torch.inference_mode():
        return {"rate": repeated(bench, lambda: bench.forward(x).cpu())}


class Xrays(torch.utils.data.Dataset):
    def __init__(self, rows, folder, view):
        self.rows, self.folder, self.view = rows, folder, view

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        image = Image.open(os.path.join(self.folder, row["Image Index"])).convert("RGB")
        found = row["Finding Labels"].split("|")
        return self.view(image), torch.tensor([float(label in found) for label in LABELS])


def epoch(bench):
    """Training, validation and keeping weights and moments, as `reg train` does in an epoch."""
    how = bench.options
    with open(how.metadata, newline="") as file:
        rows = list(csv.DictReader(file))
    training = transforms.Compose([
        transforms.RandomResizedCrop(how.side, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        transforms.RandomRotation(7, interpolation=transforms.InterpolationMode.BILINEAR),
        transforms.RandomHorizontalFlip(0.5),
        transforms.ToTensor(),
        NORMALISE,
    ])
    resized = how.side * 8 // 7
    validation = transforms.Compose([
        transforms.Resize((resized, resized)), transforms.CenterCrop(how.side), transforms.ToTensor(), NORMALISE,
    ])

    def loader(rows, view, shuffle):
        return torch.utils.data.DataLoader(
            Xrays(rows, how.images, view), batch_size=how.batch, shuffle=shuffle, num_workers=how.workers,
            pin_memory=bench.device.type == "cuda",
        )

    name, _ = bench.fastest_adam()
    adam = bench.adam(name)
    start = time.monotonic()
    bench.model.train()
    for x, y in loader(rows[: how.train], training, True):
        bench.step(adam, bench.to(x), y.to(bench.device))
    trained = time.monotonic()
    bench.model.eval()
    with torch.inference_mode():
        for x, y in loader(rows[how.train : how.train + how.val], validation, False):
            bench.loss(bench.forward(bench.to(x)), y.to(bench.device)).item()
    with tempfile.TemporaryFile() as file:
        torch.save({"model": bench.model.state_dict(), "adam": adam.state_dict()}, file)
        os.fsync(file.fileno())
    return {"seconds": time.monotonic() - start, "train": trained - start, "adam": name}


def main():
    bench = Bench(options())
    json.dump({"steps": steps, "predict": predict, "epoch": epoch}[bench.options.what](bench), sys.stdout)


if __name__ == "__main__":
    main()

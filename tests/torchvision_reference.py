"""Writes what PyTorch and torchvision compute, for reg's networks, training and optimiser to be held to.

    pip install torch==2.11.0 torchvision==0.26.0 safetensors numpy
    python tests/torchvision_reference.py            # writes fixtures/torchvision/
    python tests/torchvision_reference.py --check    # computes all of it again and compares
    python tests/torchvision_reference.py --load CHECKPOINT --model resnet50

The weights of a ResNet are too large to keep, so weights, images and labels come from formulas that this
script and src/tensor/tests/torchvision/formula.rs compute to the same bits; fixtures/torchvision/README.md
states them. Networks run in double precision, so that the numbers are the mathematics and not the machine;
beside each stands how far torchvision's own float32 is from it. What reg has and torchvision has not is
added to torchvision's networks below. Loading checks that torchvision takes a checkpoint of reg with
`strict=True`, and prints its logits of the formula's first images.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.models.resnet import Bottleneck, ResNet

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "torchvision"
LABELS = 15
GOLDEN = 0x9E3779B97F4A7C15
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
GREY = ([0.5], [0.25])
AGES = (0, 90)
SAMPLES = 4

# Side and number of the images.
MODELS = {
    "resnet50": (224, 3),
    "resnet101": (224, 2),
    "resnet38-meta": (96, 3),
    "resnet50-1channel": (96, 3),
    "resnet50-large-meta": (128, 3),
    "resnet18": (224, 2),
    "resnet34": (224, 2),
    "resnet18-large-meta": (128, 2),
    "densenet121": (224, 2),
    "densenet121-1channel": (96, 2),
    "densenet121-large-meta": (128, 2),
}
# What else there is of three of them, small.
SUFFIXES = ("-1channel", "-large", "-meta", "-1channel-meta", "-large-meta")
OF_ALL = [base + suffix for base in ("resnet18", "resnet34", "densenet121") for suffix in SUFFIXES]
MODELS |= {name: (96, 1) for name in OF_ALL if name not in MODELS}
# Whose weights from scratch are held to torchvision's.
INITIAL = ("resnet18", "densenet121")
# One ResNet-50 on four images, which are also the validation images. Adam's epsilon is large: with a small
# one its first steps are signs of gradients, and those of gradients about 0 are chance.
TRAINING = {"model": "resnet50", "side": 64, "batch": 4, "steps": 3, "lr": 1e-4, "betas": [0.9, 0.999], "eps": 1e-3}
# The same with BatchNorm before convolutions, and with basic blocks; one step.
OTHERS = {name: {**TRAINING, "model": name, "steps": 1} for name in ("densenet121", "resnet18")}
HEAT = ("resnet50", "resnet50-large-meta", "densenet121-large-meta")
ADAM = {"shapes": [[5], [3, 4], [2, 3, 2, 2]], "lr": [3e-3] * 5 + [1.5e-3] * 5, "betas": [0.9, 0.999], "eps": 1e-8}


# The formulas.


def bits(name, indices):
    """64 bits for each index: SplitMix64's output function on a counter that starts at FNV-1a of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & (1 << 64) - 1
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.asarray(indices, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """Multiples of 2^-23 in [-1, 1)."""
    return (bits(name, np.arange(count)) >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def weight(name, shape):
    """A parameter or buffer by its name."""
    centre, width = 0.0, 0.1
    if name.endswith("running_var"):
        centre, width = 1.0, 0.5
    elif len(shape) == 1 and name.endswith(".weight"):
        # The last normalisation of a block is small, so that blocks add little to what they are added to.
        centre, width = (0.25, 0.125) if ".bn3." in name else (1.0, 0.25)
    elif len(shape) > 1:
        # He's deviation; a quarter of it in the dense layer, for logits of order 1.
        width = math.sqrt(6.0 / math.prod(shape[1:])) * (0.25 if name in ("fc.weight", "classifier.weight") else 1.0)
    values = centre + width * uniform(name, math.prod(shape))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def image(number, side):
    """Grey bytes `[side, side]`: 8 x 8 tiles, a ramp and noise."""
    y, x = np.divmod(np.arange(side * side), side)
    tile = bits(f"tiles {number}", y * 8 // side * 8 + x * 8 // side) >> np.uint64(57)
    noise = bits(f"noise {number}", np.arange(side * side)) >> np.uint64(58)
    ramp = ((x + y) * 32 // side).astype(np.uint64)
    return (tile + noise + ramp).astype(np.uint8).reshape(side, side)


def meta(number):
    """Age from 20 in steps of 17 years, below 90, scaled; 1 for every second (female); for every third (AP)."""
    return [(20 + 17 * number % 70 - AGES[0]) / (AGES[1] - AGES[0]), float(number % 2), float(number % 3 == 2)]


def targets(count):
    return (bits("labels", np.arange(count * LABELS)) >> np.uint64(63)).astype(np.float64).reshape(count, LABELS)


# The networks.


class Chest(torch.nn.Module):
    """One of torchvision's networks, with what reg adds to it, under the same names."""

    def __init__(self, name, labels):
        super().__init__()
        base, *suffixes = name.split("-")
        if base == "resnet38":
            network = ResNet(Bottleneck, [2, 2, 3, 3], num_classes=labels)
        else:
            network = getattr(torchvision.models, base)(weights=None, num_classes=labels)
        self.dense, self.meta = base.startswith("densenet"), "meta" in suffixes
        at, first = (network.features, "conv0") if self.dense else (network, "conv1")
        self.channels = 3
        if "1channel" in suffixes or "large" in suffixes:
            self.channels = 1
            setattr(at, first, torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False))
        self.pool = None
        if "large" in suffixes:
            self.pool = torch.nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.head = "classifier" if self.dense else "fc"
        if self.meta:
            inputs = getattr(network, self.head).in_features
            setattr(network, self.head, torch.nn.Linear(inputs + 3, labels))
        # Without a name of its own, so that the names are torchvision's.
        for child, module in network.named_children():
            self.add_module(child, module)
        self.plain = network if not suffixes and base != "resnet38" else None
        self.__dict__["plain"] = self._modules.pop("plain", None)

    def map(self, x):
        """The map whose means over the plane are the features."""
        if self.dense:
            for name, layer in self.features.named_children():
                x = layer(x)
                if name == "denseblock1" and self.pool:
                    x = self.pool(x)
            return torch.relu(x)
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        x = self.pool(x) if self.pool else x
        return self.layer4(self.layer3(self.layer2(x)))

    def forward(self, x, meta):
        if self.plain is not None:
            return self.plain(x)
        features = self.map(x).mean(dim=(2, 3))
        return getattr(self, self.head)(torch.cat([features, meta], dim=1) if self.meta else features)


def network(name, labels=LABELS):
    return Chest(name, labels)


def filled(name, dtype):
    model = network(name)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                tensor.copy_(weight(key, tuple(tensor.shape)))
    return model.to(dtype)


def inputs(name, numbers, side, dtype):
    channels = 1 if "1channel" in name or "large" in name else 3
    mean, std = (torch.tensor(v, dtype=dtype).reshape(1, -1, 1, 1) for v in (IMAGENET if channels == 3 else GREY))
    grey = torch.from_numpy(np.stack([image(number, side) for number in numbers])).to(dtype)
    x = (grey.unsqueeze(1).expand(-1, channels, -1, -1) / 255 - mean) / std
    return x, torch.tensor([meta(number) for number in numbers], dtype=dtype)


# What they compute.


def logits(name, dtype):
    side, count = MODELS[name]
    model = filled(name, dtype).eval()
    with torch.no_grad():
        return model(*inputs(name, range(count), side, dtype)).double()


def gradcam(name, dtype):
    """Grad-CAM of every label on the first two images, by a backward pass: `[image][label]`, a map each.

    The layer is the last block of a ResNet, and the ReLU behind the last BatchNorm of a DenseNet, whose means are
    the features; each channel is weighted by the mean of its gradient.
    """
    model = filled(name, dtype).eval()
    kept, bare = {}, model.map
    model.plain = None
    model.map = lambda x: kept.setdefault("map", bare(x))
    maps = []
    for number in range(2):
        kept.clear()
        said = model(*inputs(name, [number], MODELS[name][0], dtype))[0]
        of_image = []
        for label in range(LABELS):
            (gradient,) = torch.autograd.grad(said[label], kept["map"], retain_graph=True)
            weights = gradient.mean(dim=(2, 3), keepdim=True)
            of_image.append(torch.relu((weights * kept["map"]).sum(dim=1))[0].flatten().tolist())
        maps.append(of_image)
    return maps


def initial(name):
    """Mean and deviation of each parameter of a network from scratch."""
    torch.manual_seed(1)
    of = {key: p.detach().double() for key, p in network(name).named_parameters()}
    return {key: [values.mean().item(), values.std(correction=0).item()] for key, values in of.items()}


def sampled(tensor, name):
    """Sum, sum of magnitudes and a few values at places that the name draws."""
    flat = tensor.detach().double().flatten().numpy()
    places = bits(name + " samples", np.arange(SAMPLES)) % np.uint64(len(flat))
    return [flat.sum(), np.abs(flat).sum(), *flat[places.astype(np.int64)]]


def training(how, dtype, layout=torch.contiguous_format):
    """Loss of each step, validation loss behind each, gradients of the first, what the steps changed."""
    model = filled(how["model"], dtype).to(memory_format=layout)
    start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    adam = torch.optim.Adam(model.parameters(), lr=how["lr"], betas=how["betas"], eps=how["eps"])
    x, meta_features = inputs(how["model"], range(how["batch"]), how["side"], dtype)
    x, y = x.contiguous(memory_format=layout), torch.from_numpy(targets(how["batch"])).to(dtype)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    losses, val_losses, gradients = [], [], None
    for _ in range(how["steps"]):
        model.train()
        loss = bce(model(x, meta_features), y)
        adam.zero_grad()
        loss.backward()
        if gradients is None:
            gradients = {key: sampled(p.grad, key) for key, p in model.named_parameters()}
        adam.step()
        losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_losses.append(bce(model(x, meta_features), y).item())
    changes = {
        key: sampled(tensor - start[key], key)
        for key, tensor in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    return {"losses": losses, "val_losses": val_losses, "gradients": gradients, "changes": changes}


def adam():
    """Parameters after each of ten steps of the fused Adam in float32, gradients by formula."""
    parameters = [
        torch.nn.Parameter(torch.from_numpy(uniform(f"parameter {n}", math.prod(shape)).astype(np.float32)).reshape(shape))
        for n, shape in enumerate(ADAM["shapes"])
    ]
    optimiser = torch.optim.Adam(parameters, lr=ADAM["lr"][0], betas=ADAM["betas"], eps=ADAM["eps"], fused=True)
    after = []
    for step, lr in enumerate(ADAM["lr"]):
        optimiser.param_groups[0]["lr"] = lr
        for n, parameter in enumerate(parameters):
            parameter.grad = torch.from_numpy(gradient(n, step, parameter.numel())).reshape(parameter.shape)
        optimiser.step()
        after.append([[single(v) for v in p.detach().flatten().numpy()] for p in parameters])
    return {**ADAM, "after": after}


def gradient(number, step, count):
    """Magnitudes from 1 down to 1e-9 by the place, and the first value always zero."""
    scale = np.array([[1.0, 1e-3, 1e-6, 1e-9][place % 4] for place in range(count)])
    values = uniform(f"gradient {number} {step}", count) * scale
    values[0] = 0.0
    return values.astype(np.float32)


# The files.


def single(value):
    """The shortest decimal that reads back as this float32."""
    return float(str(np.float32(value)))


def short(value):
    """Ten digits, which is more than any float32 has."""
    if isinstance(value, dict):
        return {key: short(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [short(each) for each in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def apart(a, b):
    """The largest difference over the largest magnitude."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(np.abs(a - b).max() / np.abs(b).max())


def all_apart(a, b):
    """How far tensors that `sampled` describes are from others: the worst sum, over the sum of magnitudes,
    and the root mean square of the samples' differences, each over the largest sample of its tensor."""
    sums = max(abs(a[key][place] - b[key][place]) / b[key][1] for key in b for place in (0, 1))
    samples = [np.subtract(a[key][2:], b[key][2:]) / np.abs(b[key][2:]).max() for key in b]
    return float(sums), float(np.sqrt(np.square(samples).mean()))


def steps(how, versions):
    exact = training(how, torch.float64)
    spread = {"losses": 0.0, "val_losses": 0.0, "gradients": [0.0, 0.0], "changes": [0.0, 0.0]}
    for layout in (torch.contiguous_format, torch.channels_last):
        rough = training(how, torch.float32, layout)
        for key in ("losses", "val_losses"):
            spread[key] = max(spread[key], apart(rough[key], exact[key]))
        for key in ("gradients", "changes"):
            spread[key] = [max(pair) for pair in zip(spread[key], all_apart(rough[key], exact[key]))]
    print(f"training of {how['model']}: {exact['losses']}, {exact['val_losses']}, float32 {spread}", file=sys.stderr)
    spread = json.loads(json.dumps(spread), parse_float=lambda text: float(f"{float(text):.1e}"))
    return short({"versions": versions, **how, **exact, "float32": spread})


def documents():
    torch.manual_seed(0)
    versions = {"torch": torch.__version__.split("+")[0], "torchvision": torchvision.__version__.split("+")[0]}
    shapes = {name: {key: list(t.shape) for key, t in network(name).state_dict().items()} for name in MODELS}
    yield "state_dicts.json", {"versions": versions, "models": shapes}
    models = {}
    for name, (side, _) in MODELS.items():
        exact, rough = logits(name, torch.float64), logits(name, torch.float32)
        models[name] = {
            "meta": name.endswith("-meta"),
            "side": side,
            "logits": exact.tolist(),
            "float32": float(f"{apart(rough, exact):.1e}"),
        }
        print(f"{name}: logits within {exact.abs().max():.2f}, over images {exact.std(0, correction=0).mean():.2f}, "
              f"float32 {apart(rough, exact):.1e}", file=sys.stderr)
    yield "logits.json", short({"versions": versions, "models": models})
    heat = {name: gradcam(name, torch.float64) for name in HEAT}
    yield "gradcam.json", short({"versions": versions, "models": heat})
    yield "training.json", steps(TRAINING, versions)
    for name, how in OTHERS.items():
        yield f"training-{name}.json", steps(how, versions)
    yield "adam.json", {"versions": versions, **adam()}
    yield "initial.json", short({"versions": versions, "models": {name: initial(name) for name in INITIAL}})


def same(a, b, tolerance):
    """Whether two documents agree in all but the last digits of numbers and what float32 made of them."""
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(k in ("float32", "versions") or same(a[k], b[k], tolerance) for k in b)
    if isinstance(b, list):
        return len(a) == len(b) and all(same(*pair, tolerance) for pair in zip(a, b))
    return abs(a - b) <= tolerance * max(abs(b), 1e-3) if isinstance(b, float) else a == b


def load(path, name):
    from safetensors.torch import load_file

    model = network(name)
    model.load_state_dict(load_file(path), strict=True)
    side, count = MODELS[name]
    with torch.no_grad():
        found = model.eval()(*inputs(name, range(count), side, torch.float32))
    print(json.dumps(found.tolist()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--load", metavar="CHECKPOINT", help="load this safetensors file into torchvision's network")
    parser.add_argument("--model", default="resnet50", choices=MODELS, help="the network of --load")
    arguments = parser.parse_args()
    if arguments.load:
        return load(arguments.load, arguments.model)
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = []
    for file, document in documents():
        path = FOLDER / file
        if not arguments.check:
            path.write_text(json.dumps(document, sort_keys=True) + "\n")
        elif not same(document, json.loads(path.read_text()), 1e-6):
            wrong.append(file)
    if wrong:
        sys.exit(f"torchvision_reference: not what it computes now: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

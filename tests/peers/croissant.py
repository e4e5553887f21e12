"""Validates a Croissant file with mlcroissant, iterates its records and prints them as JSON."""

import hashlib
import json
import sys

import mlcroissant

dataset = mlcroissant.Dataset(sys.argv[1])


def plain(value):
    value = value.decode() if isinstance(value, bytes) else value
    return value.item() if hasattr(value, "item") else value


FIELDS = {
    "name": "Image_Index",
    "file": "file",
    "patient": "Patient_ID",
    "age": "Patient_Age",
    "sha256": "sha256",
    "fold": "fold_0",
}
images = []
for record in dataset.records("images"):
    content = record.pop("images/content")
    record = {key.removeprefix("images/"): plain(value) for key, value in record.items()}
    image = {key: record[field] for key, field in FIELDS.items()}
    image["pixels"] = hashlib.sha256(content.convert("L").tobytes()).hexdigest()
    image["labels"] = {key.replace("No_Finding", "No Finding"): value for key, value in record.items() if value is True or value is False}
    images.append(image)
issues = dataset.metadata.ctx.issues
boxes = sum(1 for _ in dataset.records("boxes"))
print(json.dumps({"errors": [str(e) for e in issues.errors], "images": images, "boxes": boxes}))

"""Prints the metadata of a model card as JSON: the block between the first two lines of three dashes."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    before, block, _ = file.read().split("---\n", 2)
assert before == ""
print(json.dumps(yaml.safe_load(block)))

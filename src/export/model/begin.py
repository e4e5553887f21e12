"""The network MODEL, and its scores of an image: the probability of each label.

    python model.py checkpoint.safetensors USAGE

It needs NEEDS. Written by reg VERSION of run RUN.
`Network().load_state_dict(safetensors.torch.load_file("checkpoint.safetensors"), strict=True)` gives the network
for other uses; its outputs are logits.
"""

import argparse
import json

IMPORTS

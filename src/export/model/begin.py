"""The network MODEL: the probability of each label for an image, and whether it reaches the threshold.

    python model.py checkpoint.safetensors USAGE

It needs NEEDS. Written by reg VERSION of run RUN.
`Network().load_state_dict(safetensors.torch.load_file("checkpoint.safetensors"), strict=True)` gives the network
for other uses; its outputs are logits.
"""

import argparse
import json
import math

IMPORTS

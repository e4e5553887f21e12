"""Writes weights in the format safetensors: a length, a JSON header, then the bytes of all tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UsageError
from .files import replacing

# Types of numpy, and the one of torch that numpy lacks, by their names in the format.
_TYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def write(path: Path, tensors: Mapping[str, Any]) -> None:
    """Writes tensors of torch or arrays of numpy, by name, completely or not at all. The same tensors give the same bytes.

    Raises:
        UsageError: A tensor of a type that is not kept, such as complex numbers.
    """
    header: dict[str, object] = {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(tensors):
        kind, shape, data = _bytes(name, tensors[name])
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with replacing(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.writelines(parts)


def _bytes(name: str, tensor: Any) -> tuple[str, list[int], bytes]:
    """Type, shape and little-endian bytes of a tensor, row after row."""
    shape = [int(length) for length in tensor.shape]
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().contiguous()
        if str(tensor.dtype) == "torch.bfloat16":
            import torch

            return "BF16", shape, tensor.view(torch.int16).numpy().tobytes()
        tensor = tensor.numpy()
    array = np.ascontiguousarray(tensor)
    kind = _TYPES.get(array.dtype.name)
    if kind is None:
        raise UsageError(f"`{name}` has the type {array.dtype.name}, which safetensors does not have", f"there are {', '.join(_TYPES)}")
    return kind, shape, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

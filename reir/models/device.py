"""Where a network runs and with which numbers."""

from __future__ import annotations

import torch

from reir.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """The device of ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.

    Raises:
        UsageError: a GPU is asked for, and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device that PyTorch can use. Leave --device out, or say --device cpu")
    return torch.device(name)


def working_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU that computes in it, else float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32

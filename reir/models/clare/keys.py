"""Weights of other libraries under the network's own names: tables of keys, and what is done with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeyTable = Sequence[tuple[str, str]]
"""Patterns of keys and what each becomes, as ``re.sub`` takes them; the first that fits a whole key counts.

What a key becomes may end in ``|K``: then it is part K of a tensor that is joined along the first axis. It may name
several tensors in braces, ``attention.{q,k,v}_proj.weight``: then it is cut into as many equal parts. Or it may end in
``@0``: then only the first row is taken.
"""

_BRACES = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a table makes of a file: tensors by the network's names, and the keys that it has no place for."""

    tensors: dict[str, Tensor]
    left_over: list[str]


def rename(state: Mapping[str, Tensor], table: KeyTable) -> Renamed:
    """The tensors of a file by the names that a table gives them."""
    patterns = [(re.compile(pattern), becomes) for pattern, becomes in table]
    tensors: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = {}
    left_over = []
    for key, tensor in state.items():
        found = next((match.expand(name) for pattern, name in patterns if (match := pattern.fullmatch(key))), None)
        if found is None:
            left_over.append(key)
        elif "|" in found:
            name, _, part = found.partition("|")
            parts.setdefault(name, {})[int(part)] = tensor
        elif braces := _BRACES.search(found):
            choices = braces[1].split(",")
            for choice, piece in zip(choices, tensor.chunk(len(choices)), strict=True):
                tensors[found.replace(braces[0], choice)] = piece
        elif found.endswith("@0"):
            tensors[found.removesuffix("@0")] = tensor[:1]
        else:
            tensors[found] = tensor
    tensors.update((name, torch.cat([part for _, part in sorted(group.items())])) for name, group in parts.items())
    return Renamed(tensors, left_over)


def fitted(tensor: Tensor, wanted: Tensor) -> Tensor | None:
    """A tensor in the shape of ``wanted``, if it differs only in axes of length 1 (a 1x1 convolution, a row of one)."""
    if [n for n in tensor.shape if n != 1] != [n for n in wanted.shape if n != 1]:
        return None
    return tensor.reshape(wanted.shape)

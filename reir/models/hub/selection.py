"""Which files of a repository a model needs: never the same weights twice, and no pickles beside safetensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatch

_SMALL = ("*.json", "*.txt", "*.model")
_WEIGHTS = (
    ("open_clip_*.safetensors",),
    ("open_clip_*.bin",),
    ("model.safetensors", "model-*.safetensors"),
    ("pytorch_model.bin", "pytorch_model-*.bin"),
)
"""Kinds of weights, the preferred first: in the format of open_clip where a repository has that, and safetensors."""


def holds_weights(names: Iterable[str]) -> bool:
    """Whether any of a repository's files are weights."""
    patterns = [pattern for kind in _WEIGHTS for pattern in kind]
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def needed_files(names: Iterable[str], wanted: Sequence[str] | None = None) -> list[str]:
    """Those of a repository's files that are needed, sorted.

    ``wanted`` are names or patterns. Without them: configuration and tokenizer at the top of the repository, and one
    kind of weights.
    """
    names = sorted(names)
    if wanted is not None:
        return [name for name in names if any(fnmatch(name, pattern) for pattern in wanted)]
    top = [name for name in names if "/" not in name]
    chosen = [name for name in top if any(fnmatch(name, pattern) for pattern in _SMALL)]
    for kind in _WEIGHTS:
        weights = [name for name in top if any(fnmatch(name, pattern) for pattern in kind)]
        if weights:
            return sorted(chosen + weights)
    return chosen

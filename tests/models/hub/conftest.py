"""A hub of two small repositories, and a machine without any weights that may use the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.hub.server import TinyHub, tiny_hub

REPO = "somebody/tiny"
FILES = {
    "README.md": b"# a card",
    "config.json": b'{"model_type": "owlv2"}',
    "vocab.json": b"{}",
    "model.safetensors": bytes(range(256)) * 8_000,
    "pytorch_model.bin": b"the same weights, in a format that can hold code" * 100,
    "onnx/model.onnx": b"0" * 2_000,
}
NEEDED = ["config.json", "model.safetensors", "vocab.json"]


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty cache and data folders, and no variable that forbids the network."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_HOME", "HF_ENDPOINT", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def hub(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    """The hub, and ``HF_ENDPOINT`` that leads to it."""
    with tiny_hub({REPO: FILES}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running

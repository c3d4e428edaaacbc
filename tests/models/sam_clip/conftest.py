"""One folder of tiny parts with each captioner, made once for all tests here."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir.models.sam_clip import SamClip, load
from reir.models.specification import ModelSpec
from reir.types import Array
from tests.models.sam_clip.tiny_sam import LOOSE, save_tiny_parts


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SAM and tower, no captioner."""
    return save_tiny_parts(tmp_path_factory.mktemp("sam-clip"))


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SAM, tower and BLIP."""
    return save_tiny_parts(tmp_path_factory.mktemp("sam-clip-blip"), captioner="blip", seed=1)


@pytest.fixture(scope="session")
def model(parts: Path) -> SamClip:
    return load(ModelSpec.parse(f"sam-clip:{parts},{LOOSE}"), device="cpu")


@pytest.fixture(scope="session")
def captioned_model(captioned: Path) -> SamClip:
    return load(ModelSpec.parse(f"sam-clip:{captioned},{LOOSE}"), device="cpu")


def demo_files(count: int) -> list[Path]:
    """The first pictures of the demo gallery."""
    return sorted(Path(str(resources.files("reir") / "data" / "demo" / "images")).iterdir())[:count]


def pixels_of(file: Path) -> Array:
    return np.asarray(Image.open(file).convert("RGB"))

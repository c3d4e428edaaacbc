"""One small random model of each family for all tests, ours and the library's own beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reir.models.owl import OwlModel, load
from reir.models.specification import ModelSpec
from reir.types import Array, FloatArray, Picture
from tests.models.owl.tiny_owl import FAMILIES, NAMES, make_owl_folder


@dataclass(frozen=True)
class Reference:
    """What transformers itself makes of pictures, from the same folder."""

    network: Any
    processor: Any

    @classmethod
    def load(cls, folder: Path, family: str) -> Reference:
        import transformers

        network, processor = {
            "owlvit": (transformers.OwlViTForObjectDetection, transformers.OwlViTProcessor),
            "owlv2": (transformers.Owlv2ForObjectDetection, transformers.Owlv2Processor),
        }[family]
        return cls(network.from_pretrained(folder).eval(), processor.from_pretrained(folder))

    def tokens(self, expressions: list[str]) -> Any:
        return self.processor.tokenizer(
            expressions, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
        )

    def pixel_values(self, pixels: Array) -> Any:
        return self.processor(images=np.array(pixels), return_tensors="pt")["pixel_values"]

    def forward(self, pixels: Array, expressions: list[str]) -> Any:
        """The output of the library's full forward pass for a picture (h, w, 3) uint8."""
        import torch

        with torch.inference_mode():
            return self.network(**self.tokens(expressions), pixel_values=self.pixel_values(pixels))

    def logits_and_boxes(self, pixels: Array, expressions: list[str], *, size: tuple[int, int]) -> tuple[Array, Array]:
        """Logits (P, Q) and boxes (P, 4) of all patches; boxes by the library's post-processing to (width, height)."""
        output = self.forward(pixels, expressions)
        (found,) = self.processor.post_process_grounded_object_detection(
            output, threshold=-1.0, target_sizes=[(size[1], size[0])]
        )
        return output.logits[0].numpy(), found["boxes"].numpy()

    def image_guided(self, target: Array, crop: Array) -> FloatArray:
        """Logits (P,) of the patches of ``target`` for the crop, by the library's own image-guided detection."""
        import torch

        with torch.inference_mode():
            output = self.network.image_guided_detection(
                pixel_values=self.pixel_values(target), query_pixel_values=self.pixel_values(crop)
            )
        return output.logits[0, :, 0].numpy()


@dataclass(frozen=True)
class Owl:
    """A folder, our model of it, and the library's."""

    family: str
    folder: Path
    model: OwlModel
    reference: Reference


@pytest.fixture(scope="session")
def owls(tmp_path_factory) -> dict[str, Owl]:
    made = {}
    for family in FAMILIES:
        folder = make_owl_folder(tmp_path_factory.mktemp(family), family)
        made[family] = Owl(family, folder, make_model(folder, family), Reference.load(folder, family))
    return made


@pytest.fixture(params=FAMILIES)
def owl(request, owls) -> Owl:
    return owls[request.param]


@pytest.fixture
def copied_folder(tmp_path) -> Callable[[Path], Path]:
    """What copies a folder to where a test may change it."""

    def copy(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "copy"))

    return copy


def make_model(folder: Path, family: str, options: str = "") -> OwlModel:
    return load(ModelSpec.parse(f"{NAMES[family]}:{folder}{options}"), device="cpu")


def make_picture(width: int, height: int, *, seed: int = 0) -> Picture:
    """A picture of coarse coloured cells: what a random network sees differs from place to place."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(cells, 12, axis=0), 12, axis=1)[:height, :width]
    return Picture(np.ascontiguousarray(pixels), width, height)

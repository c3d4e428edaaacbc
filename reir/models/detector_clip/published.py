"""Detectors that torchvision publishes: where their weights are, found without importing torchvision."""

from __future__ import annotations

from pathlib import Path

from reir.models.detector_clip.detector import ARCHITECTURES, SMALL
from reir.models.hub import FileSource, find_published_file

_SITE = "https://download.pytorch.org/models"
_FILES = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    "fasterrcnn_mobilenet_v3_large_fpn": "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
    "fasterrcnn_resnet50_fpn": "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
    "fasterrcnn_resnet50_fpn_v2": "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    "maskrcnn_resnet50_fpn": "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
}
"""Weights trained on COCO; the end of a name is the start of the file's SHA-256."""

PUBLISHED = tuple(arch for arch in ARCHITECTURES if arch != SMALL)
"""Architectures with public weights."""


def published_url(arch: str) -> str:
    """The address of an architecture's weights."""
    return f"{_SITE}/{_FILES[arch]}"


def published_weights(arch: str) -> Path:
    """The file of an architecture's public weights in torch's cache; nothing is fetched.

    Raises:
        WeightsMissingError: it is not there, or damaged; the message names the command that fetches it.
    """
    digest = _FILES[arch].rpartition("-")[2].removesuffix(".pth")
    return find_published_file(FileSource(published_url(arch), "torchvision", digest), what=arch)

"""What the visual encoder knows before a run."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.clare.checkpoint import load_network
from reir.models.detector_clip.detector import read_weights
from reir.models.vatex.config import Backbone
from reir.models.vatex.pixels import normalise
from reir.models.vatex.visual import start_from_imagenet
from reir.training.vatex.config import CLARE_TINY, IMAGENET

_PREFIX = "visual.backbone."


def start_backbone(visual: nn.Module, backbone: Backbone, weights: str) -> None:
    """Give the visual encoder weights: ``imagenet``, ``clare-tiny``, or those of a file.

    Raises:
        UsageError: the file does not hold this encoder's weights.
        WeightsMissingError: torchvision's are not on this machine.
    """
    if weights == CLARE_TINY:
        start_from_clare(visual)
    elif backbone != "tiny":
        start_from_imagenet(visual, backbone, None if weights == IMAGENET else Path(weights))
    else:
        try:
            visual.load_state_dict(read_weights(Path(weights)))
        except RuntimeError as error:
            raise UsageError(f"{weights} does not hold the weights of the tiny backbone: {error}") from None


def start_from_clare(visual: nn.Module) -> None:
    """Give the tiny backbone the weights of ``clare-tiny`` in the package at strides 4, 8 and 16.

    That network takes pixels in [-1, 1]. The first convolution and the mean of its norm are changed so that it sees the
    same in pixels that are normalised as VATEX's; only at the frame, where zeros are another grey, it sees another.
    """
    folder = Path(str(resources.files("reir.models") / "weights" / CLARE_TINY))
    network = load_network(folder, json.loads((folder / "config.json").read_text()))
    state = {
        name.removeprefix(_PREFIX): value.clone()
        for name, value in network.state_dict().items()
        if name.startswith(_PREFIX)
    }
    black, white = normalise(torch.tensor([[[0.0, 255.0]]]).expand(3, 1, 2))[:, 0].unbind(dim=1)
    gain = 2 / (white - black)
    offset = -1 - black * gain  # ours = gain x VATEX's + offset
    kernel: Tensor = state["downs.0.conv.weight"]
    state["downs.0.norm.running_mean"] -= (kernel * offset[:, None, None]).sum(dim=(1, 2, 3))
    state["downs.0.conv.weight"] = kernel * gain[:, None, None]
    missing, unexpected = visual.load_state_dict(state, strict=False)
    coarsest = ("downs.3.", "stages.3.")
    assert not unexpected, unexpected
    assert all(name.startswith(coarsest) for name in missing), missing

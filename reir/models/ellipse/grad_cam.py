"""Grad-CAM on the image towers of open_clip: where a tower looks when it finds a text in a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reir.errors import UsageError


class GradCam:
    """Activation maps of an image tower, by the steps of the package ``pytorch-grad-cam``, which the paper uses.

    The layer is that package's choice: of a ViT the normalisation before the last block's attention, with its patches'
    tokens as a map; of a ResNet the last stage. A channel's weight is its mean gradient over the map; the weighted sum
    is cut at zero and scaled to [0, 1].

    Args:
        visual: the image half of a model of open_clip.
        name: the tower's name, for errors.

    Raises:
        UsageError: it is neither open_clip's ViT or ResNet nor a ViT of timm.
    """

    def __init__(self, visual: Any, *, name: str) -> None:
        self._layer, self._as_map = _target(visual, name)

    def maps(self, pixels: Tensor, objective: Callable[[Tensor], Tensor], height: int, width: int) -> Tensor:
        """Activation maps (N, height, width) in [0, 1] of pictures (N, 3, H, W).

        Args:
            pixels: the pictures as ``objective`` takes them.
            objective: runs the tower and gives one number a picture, (N,).
            height: of the maps, which are enlarged bilinearly.
            width: likewise.
        """
        seen: list[Tensor] = []

        def restart(module: Any, inputs: Any, output: Tensor) -> Tensor:  # noqa: ARG001
            # The graph starts here: layers below need no gradients.
            seen.append(output.detach().requires_grad_(True))
            return seen[-1]

        handle = self._layer.register_forward_hook(restart)
        try:
            with torch.enable_grad():
                value = objective(pixels).sum()
                (gradient,) = torch.autograd.grad(value, seen[-1])
        finally:
            handle.remove()
        activation, gradient = self._as_map(seen[-1].detach()), self._as_map(gradient)  # (N, C, h, w)
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        maps = (weights * activation).sum(dim=1, keepdim=True).clamp_min(0)
        maps = F.interpolate(_stretched(maps), size=(height, width), mode="bilinear", align_corners=False)
        return _stretched(maps)[:, 0]


def contrast(scores: Tensor) -> Tensor:
    """One number (N,) of scores (N, 1 + J) of a text and of background prompts, to be explained by Grad-CAM.

    Section 4.1 explains the softmax's first value p. This is log(p / (1 - p)), whose gradient is that of p divided by
    p (1 - p): the same map once it is scaled to [0, 1], and not lost to rounding where p is all but 1.
    """
    return scores[:, 0] - scores[:, 1:].logsumexp(dim=1)


def _stretched(maps: Tensor) -> Tensor:
    """Maps (N, 1, h, w) less their minimum, over their maximum; those without a gradient stay zero."""
    maps = maps - maps.amin(dim=(2, 3), keepdim=True)
    # A gradient may be tiny as a whole, so the package's 1e-7 beside the maximum would dim its map.
    return maps / maps.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _target(visual: Any, name: str) -> tuple[Any, Callable[[Tensor], Tensor]]:
    """The layer that is explained, and what makes a map (N, C, h, w) of its output."""
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import VisionTransformer

    if isinstance(visual, VisionTransformer):
        return _block_norm(visual.transformer.resblocks[-1], "ln_1", name), _tokens_as_map(visual.grid_size, 1)
    if isinstance(visual, ModifiedResNet):
        return visual.layer4, lambda output: output
    if isinstance(visual, TimmModel) and hasattr(visual.trunk, "blocks") and hasattr(visual.trunk, "patch_embed"):
        trunk = visual.trunk
        prefix = int(getattr(trunk, "num_prefix_tokens", 0))
        return _block_norm(trunk.blocks[-1], "norm1", name), _tokens_as_map(trunk.patch_embed.grid_size, prefix)
    raise UsageError(
        f"Grad-CAM knows ViTs and open_clip's ResNets; the image tower of {name} is another kind. Take one such as "
        "ViT-B-16__openai"
    )


def _block_norm(block: Any, attribute: str, name: str) -> Any:
    layer = getattr(block, attribute, None)
    if layer is None:
        raise UsageError(f"Grad-CAM needs the normalisation before attention, which the blocks of {name} do not have")
    return layer


def _tokens_as_map(grid: tuple[int, int], prefix: int) -> Callable[[Tensor], Tensor]:
    def as_map(output: Tensor) -> Tensor:
        tokens = output[:, prefix:].transpose(1, 2)
        return tokens.reshape(*tokens.shape[:2], *grid)

    return as_map

"""Denoising queries: boxes near true ones, which the decoder learns to move onto them (DN-DETR, Li et al. 2022).

A step of training makes them, the visual branch decodes them beside its own queries, and ``VisualOutput.denoised``
holds what became of them, for ``reir.losses.denoising_loss``. No other query sees them: nothing of the truth leaks.

*Differs from DN-DETR*, whose queries carry a noised label and are classified: objects have no class here, and a query
is made from a box alone, exactly as the decoder's own are made from proposals, so that there is only a box to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class DenoisingQueries:
    """K noised boxes for each of B pictures, in ``groups`` groups of equal size that do not see each other."""

    boxes_cxcywh: Tensor
    """(B, K, 4) float32 of the canvas, in centre form."""
    targets_cxcywh: Tensor
    """(B, K, 4) the true box of each."""
    valid: Tensor
    """(B, K) bool: False where a picture has fewer objects than the fullest one."""
    groups: int

    def to(self, device: torch.device | str) -> DenoisingQueries:
        """The same queries on another device."""
        boxes, targets, valid = (part.to(device) for part in (self.boxes_cxcywh, self.targets_cxcywh, self.valid))
        return DenoisingQueries(boxes, targets, valid, self.groups)

    def pair_mask(self, own: int) -> Tensor:
        """(own + K, own + K) bool: which query may see which, the decoder's ``own`` queries first.

        Those see themselves alone; a denoising query sees them and its group.
        """
        count = self.boxes_cxcywh.shape[1]
        device = self.valid.device
        group = torch.arange(count, device=device) // (count // self.groups)
        seen = torch.ones(own + count, own + count, dtype=torch.bool, device=device)
        seen[:own, own:] = False
        seen[own:, own:] = group[:, None] == group
        return seen


def denoising_queries(
    boxes_cxcywh: Tensor,
    object_picture: Tensor,
    *,
    pictures: int,
    queries: int,
    shift: float = 0.4,
    scale: float = 0.4,
    generator: torch.Generator | None = None,
) -> DenoisingQueries | None:
    """About ``queries`` noised boxes for each of ``pictures`` pictures; None where there are none to make.

    ``boxes_cxcywh`` (G, 4) and ``object_picture`` (G,) are a batch's objects on the CPU, those of one picture together.
    As many groups as fit, one at least, each with every object once. A centre moves by up to ``shift`` half sides,
    and sides become 1 - ``scale`` to 1 + ``scale`` times as long (DN-DETR, section 4.3, its lambda 1 and 2). The noise
    is drawn on the CPU, so that it is a function of the generator alone.
    """
    counts = torch.bincount(object_picture, minlength=pictures)
    most = int(counts.max()) if len(counts) else 0
    if queries < 1 or most == 0:
        return None
    groups = max(1, queries // most)
    place = torch.arange(len(object_picture)) - (counts.cumsum(0) - counts)[object_picture]
    targets = torch.tensor([0.5, 0.5, 1.0, 1.0]).repeat(pictures, most, 1)
    targets[object_picture, place] = boxes_cxcywh.float()
    valid = torch.zeros(pictures, most, dtype=torch.bool)
    valid[object_picture, place] = True
    targets, valid = targets.repeat(1, groups, 1), valid.repeat(1, groups)
    noise = torch.rand(targets.shape, generator=generator) * 2 - 1
    centre, side = targets[..., :2], targets[..., 2:]
    moved = centre + noise[..., :2] * shift * side / 2
    resized = side * (1 + noise[..., 2:] * scale)
    noised = torch.cat([moved.clamp(0, 1), resized.clamp(1e-3, 1)], dim=-1)
    return DenoisingQueries(torch.where(valid[..., None], noised, targets), targets, valid, groups)

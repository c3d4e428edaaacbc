"""The visual branch: pictures to objects with boxes, objectness and instance features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward
from reir.models.clare.decoder import Decoder
from reir.models.clare.encoder import Encoder
from reir.models.clare.geometry import level_centres, level_padding, picture_extent
from reir.models.clare.outputs import VisualOutput
from reir.models.clare.proposals import NEVER, ProposalHead
from reir.models.clare.pyramid import Projection, TopDown, to_plane, to_tokens


class VisualBranch(nn.Module):
    """Backbone, pyramid, deformable encoder, two-stage selection, decoder, projection to the shared space.

    ``backbone`` maps (B, 3, H, W) and padding to planes with ``channels`` at ``strides``. Level indices are those of
    the planes, finest first; ``encoder_levels`` are the coarsest ones. Finer levels that give proposals get the
    encoder's context top-down; still finer ones are the projected backbone maps.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        channels: Sequence[int],
        strides: Sequence[int],
        width: int,
        embedding: int,
        encoder: Encoder,
        proposals: ProposalHead,
        decoder: Decoder,
        encoder_levels: Sequence[int],
        proposal_levels: Sequence[int],
    ) -> None:
        super().__init__()
        first = min(encoder_levels)
        if list(encoder_levels) != list(range(first, len(strides))):
            raise ValueError(f"the encoder takes the coarsest levels, got {encoder_levels} of {len(strides)}")
        self.strides = tuple(strides)
        self.first_encoded = first
        self.proposal_levels = tuple(proposal_levels)
        self.backbone = backbone
        self.projections = nn.ModuleList(
            Projection(channels=count, width=width, norm=level >= first) for level, count in enumerate(channels)
        )
        self.top_down = nn.ModuleList(TopDown(width=width) for level in range(first) if level in proposal_levels)
        self.encoder = encoder
        self.proposals = proposals
        self.decoder = decoder
        self.instance = FeedForward(width=width, hidden=width, outputs=embedding, gelu=True)

    def forward(self, images: Tensor, padding: Tensor | None = None) -> VisualOutput:
        """Objects of ``images`` (B, 3, H, W) float, normalised; ``padding`` (B, H, W) bool, True right and below."""
        height, width = images.shape[-2:]
        images, padding = self._fit(images, padding)
        canvas = images.shape[-2:]
        extent = None if padding is None else picture_extent(padding)
        masks = None if padding is None else [level_padding(padding, stride) for stride in self.strides]

        planes = self.backbone(images, padding)
        shapes = [(int(plane.shape[2]), int(plane.shape[3])) for plane in planes]
        levels = [project(plane) for project, plane in zip(self.projections, planes, strict=True)]
        levels = self._encode(levels, shapes, extent, masks)

        flat = None if masks is None else [mask.flatten(1) for mask in masks]
        chosen = [shapes[level] for level in self.proposal_levels]
        proposals = self.proposals(
            torch.cat([levels[level] for level in self.proposal_levels], 1),
            chosen,
            extent=extent,
            padding=None if flat is None else torch.cat([flat[level] for level in self.proposal_levels], 1),
        )
        query_mask = None if padding is None else proposals.valid.gather(1, proposals.selected)
        decoded = self.decoder(
            proposals.content,
            proposals.positions,
            proposals.references,
            levels,
            shapes,
            extent=extent,
            query_mask=query_mask,
            padding=flat,
        )
        objectness = decoded.objectness
        if query_mask is not None:
            objectness = objectness.masked_fill(~query_mask, NEVER)
        features = F.normalize(self.instance(decoded.hidden).float(), dim=-1)

        # From the picture (inside) to the canvas as the caller gave it.
        grown = torch.tensor([canvas[1] / width, canvas[0] / height], device=images.device)
        share = grown.expand(len(images), 2) if extent is None else extent * grown
        scale = torch.cat([share, share], -1)[:, None]
        return VisualOutput(
            boxes_cxcywh=decoded.boxes_cxcywh * scale,
            objectness=objectness,
            hidden=decoded.hidden,
            features=features,
            proposal_boxes_cxcywh=proposals.boxes_cxcywh * scale,
            proposal_objectness=proposals.objectness,
            proposal_centres=level_centres(chosen, images.device) * grown,
            proposal_valid=proposals.valid,
            selected=proposals.selected,
        )

    def _fit(self, images: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Images and padding with sides grown to multiples of the coarsest stride."""
        step = self.strides[-1]
        height, width = images.shape[-2:]
        down, right = -height % step, -width % step
        if down or right:
            if padding is None:
                padding = images.new_zeros((len(images), height, width), dtype=torch.bool)
            images = F.pad(images, (0, right, 0, down))
            padding = F.pad(padding, (0, right, 0, down), value=True)
        if padding is not None:
            images = images.masked_fill(padding[:, None], 0.0)
        return images.contiguous(memory_format=torch.channels_last), padding

    def _encode(
        self,
        levels: list[Tensor],
        shapes: list[tuple[int, int]],
        extent: Tensor | None,
        masks: list[Tensor] | None,
    ) -> list[Tensor]:
        """All levels as tokens (B, S_l, d): the coarse ones through the encoder, then down to the finer ones."""
        first = self.first_encoded
        coarse = range(first, len(levels))
        encoded = self.encoder(
            torch.cat(levels[first:], 1),
            shapes[first:],
            extent=extent,
            padding=None if masks is None else [masks[level].flatten(1) for level in coarse],
        )
        result = levels[:first] + list(encoded.split([shapes[level][0] * shapes[level][1] for level in coarse], dim=1))
        fused = [level for level in range(first) if level in self.proposal_levels]
        for level, top_down in reversed(list(zip(fused, self.top_down, strict=True))):
            keep = None if masks is None else (~masks[level])[:, None].to(result[level].dtype)
            plane = top_down(
                to_plane(result[level], shapes[level]), to_plane(result[level + 1], shapes[level + 1]), keep
            )
            result[level] = to_tokens(plane)
        return result

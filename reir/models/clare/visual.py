"""The visual branch: pictures to objects with boxes, objectness and instance features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward
from reir.models.clare.decoder import Decoder
from reir.models.clare.denoising import DenoisingQueries
from reir.models.clare.encoder import Encoder
from reir.models.clare.geometry import level_centres, level_padding, picture_extent
from reir.models.clare.outputs import Denoised, VisualOutput
from reir.models.clare.proposals import NEVER, ProposalHead
from reir.models.clare.pyramid import Projection, TopDown, to_plane, to_tokens
from reir.models.clare.relations import RelationLayers

if TYPE_CHECKING:
    from reir.models.clare.prior import NounPrior


class _Queries(NamedTuple):
    """What goes into the decoder; ``mask`` (B, N) is True for real queries, ``pair_mask`` (N, N) who sees whom."""

    content: Tensor  # (B, N, d)
    positions: Tensor  # (B, N, d)
    references: Tensor  # (B, N, 4)
    mask: Tensor | None
    pair_mask: Tensor | None


class VisualBranch(nn.Module):
    """Backbone, pyramid, deformable encoder, two-stage selection, decoder, relations, projection to the shared space.

    ``backbone`` maps (B, 3, H, W) and padding to planes with ``channels`` at ``strides``. Level indices are those of
    the planes, finest first; ``encoder_levels`` are the coarsest ones. Finer levels that give proposals get the
    encoder's context top-down; still finer ones are the projected backbone maps. ``prior`` adds to the first content of
    queries what a frozen CLIP sees under them.
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
        relations: RelationLayers | None = None,
        state_width: int | None = None,
        prior: NounPrior | None = None,
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
        self.relations = relations
        self.prior = prior
        states = width if state_width is None else state_width
        self.instance = FeedForward(width=states, hidden=states, outputs=embedding, gelu=True)

    @property
    def checkpointing(self) -> bool:
        """Whether backbone blocks, encoder and decoder layers are computed again for gradients instead of kept.

        Outputs and gradients are the same; a step takes about a third longer and a fraction of the memory. A small
        convolutional backbone is kept all the same: its norms count every pass.
        """
        return bool(self.encoder.checkpointing)

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        for part in (self.backbone, self.encoder, self.decoder):
            part.checkpointing = on  # type: ignore[assignment]

    def forward(
        self, images: Tensor, padding: Tensor | None = None, *, denoising: DenoisingQueries | None = None
    ) -> VisualOutput:
        """Objects of ``images`` (B, 3, H, W) float, normalised; ``padding`` (B, H, W) bool, True right and below.

        ``denoising`` queries are decoded beside the branch's own, which do not see them.
        """
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
        # From the picture (inside) to the canvas as the caller gave it.
        grown = torch.tensor([canvas[1] / width, canvas[0] / height], device=images.device)
        share = grown.expand(len(images), 2) if extent is None else extent * grown
        scale = torch.cat([share, share], -1)[:, None]

        query_mask = None if padding is None else proposals.valid.gather(1, proposals.selected)
        queries = _Queries(proposals.content, proposals.positions, proposals.references, query_mask, None)
        if denoising is not None:
            queries = self._with_noised(queries, proposals.states, denoising, scale, chosen, extent)
        content = queries.content
        if self.prior is not None:
            centres = queries.references[..., :2] if extent is None else queries.references[..., :2] * extent[:, None]
            content = content + self.prior(self.prior.maps(images), centres)
        decoded = self.decoder(
            content,
            queries.positions,
            queries.references,
            levels,
            shapes,
            extent=extent,
            query_mask=queries.mask,
            pair_mask=queries.pair_mask,
            padding=flat,
        )
        own = proposals.selected.shape[1]
        objectness = decoded.objectness[..., :own]
        if query_mask is not None:
            objectness = objectness.masked_fill(~query_mask, NEVER)
        hidden = decoded.hidden[:, :own]
        if self.relations is not None:
            covered = hidden.new_ones((len(hidden), 2)) if extent is None else extent
            aspect = covered[:, 0] * canvas[1] / (covered[:, 1] * canvas[0])
            hidden = self.relations(hidden, decoded.boxes_cxcywh[-1][:, :own], objectness[-1], aspect.float())
        denoised = None
        if denoising is not None:
            moved = decoded.boxes_cxcywh[:, :, own:] * scale
            denoised = Denoised(moved, denoising.targets_cxcywh, denoising.valid)
        return VisualOutput(
            boxes_cxcywh=decoded.boxes_cxcywh[:, :, :own] * scale,
            objectness=objectness,
            hidden=hidden,
            features=self.instance_features(hidden),
            proposal_boxes_cxcywh=proposals.boxes_cxcywh * scale,
            proposal_objectness=proposals.objectness,
            proposal_centres=level_centres(chosen, images.device) * grown,
            proposal_valid=proposals.valid,
            selected=proposals.selected,
            denoised=denoised,
        )

    def instance_features(self, hidden: Tensor) -> Tensor:
        """O (B, M, D), L2-normalised, from the states of the last layer (B, M, d)."""
        return F.normalize(self.instance(hidden).float(), dim=-1)

    def _with_noised(
        self,
        queries: _Queries,
        states: Tensor,
        denoising: DenoisingQueries,
        scale: Tensor,
        shapes: list[tuple[int, int]],
        extent: Tensor | None,
    ) -> _Queries:
        """The queries with those of noised boxes behind them, made as they are; ``shapes`` of the proposal levels."""
        own = queries.references.shape[1]
        references = (denoising.boxes_cxcywh / scale).clamp(1e-3, 1.0)
        places = self.proposals.places(references, shapes, extent)
        content, positions = self.proposals.embed(references, states, places)
        mask = queries.mask
        if mask is None:
            mask = denoising.valid.new_ones((len(references), own))
        return _Queries(
            torch.cat([queries.content, content], 1),
            torch.cat([queries.positions, positions], 1),
            torch.cat([queries.references, references], 1),
            torch.cat([mask, denoising.valid], 1),
            denoising.pair_mask(own),
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

"""Two-stage query selection: the encoder's best positions become the decoder's queries (Deformable DETR, A.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.geometry import level_centres, sine_code

NEVER = -1e4
"""Logit of a position on padding."""


class BoxHead(nn.Module):
    """Three linear layers, (..., d) -> (..., 4) box deltas; starts at no change."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 4)])
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Deltas (..., 4) in float32."""
        first, second, last = self.layers
        delta: Tensor = last(F.relu(second(F.relu(first(x)))))
        return delta.float()


@dataclass(frozen=True, slots=True)
class Proposals:
    """Dense first-stage output and the chosen queries; boxes are relative to the picture, in centre form."""

    boxes_cxcywh: Tensor  # (B, S, 4)
    objectness: Tensor  # (B, S) logits, NEVER where not valid
    valid: Tensor  # (B, S) bool
    selected: Tensor  # (B, M) long
    references: Tensor  # (B, M, 4) detached boxes of the chosen
    content: Tensor  # (B, M, d)
    positions: Tensor  # (B, M, d)
    states: Tensor  # (B, S, d) what they were made from


def local_peaks(logits: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
    """(B, S) bool: positions whose logit is the largest of their 3x3 neighbourhood on their level."""
    peaks = []
    for plane, (rows, columns) in zip(
        logits.split([rows * columns for rows, columns in shapes], dim=1), shapes, strict=True
    ):
        grid = plane.view(-1, 1, rows, columns)
        peaks.append((grid == F.max_pool2d(grid, 3, stride=1, padding=1)).flatten(1))
    return torch.cat(peaks, dim=1)


class ProposalHead(nn.Module):
    """Scores and boxes at every position, and the M best of them as queries."""

    def __init__(
        self,
        *,
        width: int,
        queries: int,
        update: Callable[[Tensor, Tensor], Tensor],
        content_from_memory: bool,
        peaks_only: bool,
        anchor: float,
        square: bool,
        margin: float,
    ) -> None:
        super().__init__()
        self.queries, self.anchor, self.square, self.margin = queries, anchor, square, margin
        self.update = update
        self.content_from_memory, self.peaks_only = content_from_memory, peaks_only
        self.output = nn.Linear(width, width)
        self.output_norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)
        nn.init.constant_(self.score.bias, -4.0)
        self.box = BoxHead(width=width)
        self.position = nn.Linear(2 * width, 2 * width)
        self.position_norm = nn.LayerNorm(2 * width)
        if content_from_memory:
            self.content = nn.Linear(width, width)

    def anchors(self, shapes: Sequence[tuple[int, int]], extent: Tensor | None, device: torch.device) -> Tensor:
        """(B or 1, S, 4) boxes before regression: cell centres with sides anchor * 2^level.

        The sides are shares of the picture's sides, as in Deformable DETR, or, with ``square``, of the square root of
        its area: then one visual size has one regression target in pictures of every shape.
        """
        centres = level_centres(shapes, device)[None]
        share = centres.new_ones((1, 2)) if extent is None else extent
        centres = centres / share[:, None]
        rows, columns = shapes[0]
        ratio = share[:, 0] * columns / (share[:, 1] * rows) if self.square else share.new_ones(len(share))
        unit = torch.stack([ratio.rsqrt(), ratio.sqrt()], dim=-1)[:, None] * self.anchor  # (B or 1, 1, 2)
        sides = [unit.expand(-1, r * c, -1) * 2.0**level for level, (r, c) in enumerate(shapes)]
        return torch.cat([centres, torch.cat(sides, dim=1)], dim=-1)

    def forward(
        self, memory: Tensor, shapes: Sequence[tuple[int, int]], *, extent: Tensor | None, padding: Tensor | None
    ) -> Proposals:
        """Proposals from ``memory`` (B, S, d) of levels ``shapes``; ``padding`` (B, S) bool."""
        anchors = self.anchors(shapes, extent, memory.device).expand(len(memory), -1, -1)
        valid = ((anchors > self.margin) & (anchors < 1 - self.margin)).all(-1)
        if padding is not None:
            valid = valid & ~padding
        states = self.output_norm(self.output(memory * valid[..., None].to(memory.dtype)))
        objectness = self.score(states)[..., 0].float().masked_fill(~valid, NEVER)
        boxes = self.update(anchors, self.box(states))

        ranked = objectness.detach()
        if self.peaks_only:
            # Other positions only fill up when there are fewer peaks than queries; padding stays last.
            ranked = torch.where(local_peaks(ranked, shapes) | ~valid, ranked, ranked + NEVER / 2)
        selected = ranked.topk(min(self.queries, ranked.shape[1]), dim=1).indices
        references = boxes.detach().gather(1, selected[..., None].expand(-1, -1, 4))
        content, positions = self.embed(references, states, selected)
        return Proposals(boxes, objectness, valid, selected, references, content, positions, states)

    def embed(self, references: Tensor, states: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Content and position codes (B, N, d) of queries with boxes ``references`` (B, N, 4) of the picture.

        ``states`` (B, S, d) are those of all positions, ``places`` (B, N) the position that each query stands on.
        """
        width = states.shape[-1]
        code = self.position_norm(self.position(sine_code(references, width // 2)))
        positions, content = code.split(width, dim=-1)
        if self.content_from_memory:
            content = content + self.content(states.gather(1, places[..., None].expand(-1, -1, width)))
        return content, positions

    def places(self, references: Tensor, shapes: Sequence[tuple[int, int]], extent: Tensor | None) -> Tensor:
        """(B, N) the position under the centre of each box (B, N, 4) of the picture, on the level of its size."""
        side = references[..., 2:].prod(-1).sqrt()
        level = (side / self.anchor).clamp(min=1.0).log2().round().long().clamp(max=len(shapes) - 1)
        sizes = torch.tensor(shapes, device=references.device)  # rows, columns
        first = torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)])
        centre = references[..., :2] if extent is None else references[..., :2] * extent[:, None]
        rows, columns = sizes[level].unbind(-1)
        x = torch.minimum((centre[..., 0] * columns).long(), columns - 1)
        y = torch.minimum((centre[..., 1] * rows).long(), rows - 1)
        return first[level] + y * columns + x

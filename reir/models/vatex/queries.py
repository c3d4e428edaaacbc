"""The queries that the decoder starts from: the expression, and where CLIP sees its object (section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn


class QueryInitializer(nn.Module):
    """N initial queries: the heatmap of the CLIP Prior changed to C channels, plus the expression's sentence feature.

    All N are alike; what tells them apart is the decoder's embedding of each.

    *Differs from the paper*: the L2-normalised heatmap is centred and scaled over its places (LayerNorm) first, because
    the cosines of one picture differ by a few hundredths, which a linear layer learns to see but slowly.

    Args:
        width: C.
        queries: N.
        heatmap: places of the heatmap; None without the CLIP Prior.
    """

    def __init__(self, *, width: int, queries: int, heatmap: int | None) -> None:
        super().__init__()
        self.count = queries
        self.heatmap: nn.Module | None = None
        if heatmap is not None:
            # Far below the spread of any heatmap that has one: 0.001 for a cosine that differs by a hundredth.
            self.heatmap = nn.Sequential(nn.LayerNorm(heatmap, eps=1e-10), nn.Linear(heatmap, width))

    def forward(self, sentence: Tensor, heatmap: Tensor | None) -> Tensor:
        """The queries (B, N, C) of sentence features (B, C) and heatmaps (B, places).

        Raises:
            ValueError: a heatmap is given without the CLIP Prior, or none with it.
        """
        if (heatmap is None) != (self.heatmap is None):
            raise ValueError("the network has a CLIP Prior" if heatmap is None else "the network has no CLIP Prior")
        start = sentence if self.heatmap is None else sentence + self.heatmap(heatmap)
        return start[:, None].expand(-1, self.count, -1)

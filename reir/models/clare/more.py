"""MORE, the Mix of Relation Experts (section 4.2, eq. 1 to 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward


def keep_largest(gates: Tensor, count: int) -> Tensor:
    """Gates (Q, N) with all but the ``count`` largest of each row set to zero (eq. 3), exactly so with ties too."""
    indices = gates.topk(count, dim=-1).indices
    return gates * torch.zeros_like(gates).scatter(-1, indices, 1.0)


class MixOfRelationExperts(nn.Module):
    """T = sum of shared experts + gated sum of the top-K_r routed experts (eq. 1).

    Every expert is computed and the top-k is a mask, so that the branch exports to ONNX and stays exact; N_r is small.
    """

    def __init__(self, *, width: int, outputs: int, hidden: int, shared: int, routed: int, active: int) -> None:
        super().__init__()
        if not 0 <= active <= routed or shared + routed < 1:
            raise ValueError(f"need 0 <= active <= routed and an expert, got {shared=} {routed=} {active=}")
        self.active = active
        self.shared = nn.ModuleList(
            FeedForward(width=width, hidden=hidden, outputs=outputs, gelu=True) for _ in range(shared)
        )
        self.routed = nn.ModuleList(
            FeedForward(width=width, hidden=hidden, outputs=outputs, gelu=True) for _ in range(routed)
        )
        self.gate = nn.Linear(width, routed) if routed else None

    def forward(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """T (Q, outputs), not normalised, and the softmax gates (Q, N_r) of eq. 2, from F_t (Q, width)."""
        total = sum((expert(sentence) for expert in self.shared), start=sentence.new_zeros(()))
        if self.gate is None:
            return total, sentence.new_zeros((sentence.shape[0], 0))
        gates = self.gate(sentence).float().softmax(-1)
        kept = keep_largest(gates, self.active)
        answers = torch.stack([expert(sentence) for expert in self.routed], dim=1)  # (Q, N_r, outputs)
        return total + (kept[..., None] * answers).sum(1), gates

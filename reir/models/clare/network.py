"""CLARE: two branches that meet in one inner product (section 4)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.denoising import DenoisingQueries
from reir.models.clare.more import MixOfRelationExperts
from reir.models.clare.outputs import TextOutput, VisualOutput


class Clare(nn.Module):
    """Contrastive Language-Instance Alignment with Relation Experts.

    ``visual`` maps images and padding to a ``VisualOutput``; ``text`` maps token ids and mask to F_t (Q, d).
    The similarity logit is t <T, O> + b with learnable log t and b. *Differs from eq. 4*, which prints
    log 1 / (1 + exp(z (-t <T, O> + b))): that is the logit t <T, O> - b, so our b is the paper's -b.
    """

    def __init__(
        self,
        *,
        visual: nn.Module,
        text: nn.Module,
        more: MixOfRelationExperts,
        initial_scale: float = 10.0,
        initial_bias: float = -8.0,
    ) -> None:
        super().__init__()
        self.visual, self.text, self.more = visual, text, more
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))
        self.logit_bias = nn.Parameter(torch.tensor(initial_bias))

    @property
    def logit_scale(self) -> Tensor:
        """t, a positive scalar."""
        return self.log_scale.exp()

    def encode_images(
        self, images: Tensor, padding: Tensor | None = None, *, denoising: DenoisingQueries | None = None
    ) -> VisualOutput:
        """Objects of ``images`` (B, 3, H, W) float, normalised; ``padding`` (B, H, W) bool, True where padded.

        ``denoising`` are queries of a training step that are decoded beside; nothing else changes.
        """
        output: VisualOutput = self.visual(images, padding, denoising=denoising)
        return output

    def encode_text(self, token_ids: Tensor, token_mask: Tensor) -> TextOutput:
        """Embeddings of expressions ``token_ids`` (Q, T) long with ``token_mask`` (Q, T) bool, True for a token."""
        sentence = self.text(token_ids, token_mask)
        mixed, gates = self.more(sentence)
        return TextOutput(F.normalize(mixed.float(), dim=-1), sentence, gates)

    def similarity(self, text: Tensor, features: Tensor) -> Tensor:
        """Logits t <T, O> + b, (Q, ...), from ``text`` (Q, D) and ``features`` (..., D)."""
        cosine = text @ features.flatten(0, -2).transpose(0, 1)
        return (self.logit_scale * cosine + self.logit_bias).unflatten(1, features.shape[:-1])

    def forward(
        self,
        images: Tensor,
        token_ids: Tensor,
        token_mask: Tensor,
        padding: Tensor | None = None,
        denoising: DenoisingQueries | None = None,
    ) -> tuple[VisualOutput, TextOutput]:
        """Both branches at once, for wrappers that need a single entry (data parallel training)."""
        return self.encode_images(images, padding, denoising=denoising), self.encode_text(token_ids, token_mask)

"""VATEX: a picture and an expression to the masks of N queries (Vision-Aware Text Features, sections 3 and 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reir.models.vatex.contextual import ContextualDecoder
from reir.models.vatex.masked_decoder import MaskedAttentionDecoder
from reir.models.vatex.queries import QueryInitializer
from reir.models.vatex.words import TextEncoder


@dataclass(frozen=True, slots=True)
class VatexOutput:
    """What the network says of B rows of (picture, expression).

    The first index of the first two counts predictions: those of the initial queries, then those after each of the L
    decoder layers. The last is the answer, the others are supervised too.
    """

    class_logits: Tensor
    """(L + 1, B, N): whether a query is the object."""
    mask_logits: Tensor
    """(L + 1, B, N, H/4, W/4): F_v . F_q of equation 7, before the sigmoid."""
    sentences: Tensor
    """(5, B, C): the mean of the words (equation 5), as the text encoder gave them and after each level of the CMD."""

    @property
    def sentence(self) -> Tensor:
        """F_s (B, C), the vision-aware sentence feature of equation 5 that the MCC compares."""
        return self.sentences[-1]


class Vatex(nn.Module):
    """The trainable network. The frozen CLIP of the heatmap stays outside (``reir.models.vatex.prior.ClipPrior``)."""

    def __init__(
        self,
        *,
        visual: nn.Module,
        text: TextEncoder,
        queries: QueryInitializer,
        contextual: ContextualDecoder,
        decoder: MaskedAttentionDecoder,
    ) -> None:
        super().__init__()
        self.visual = visual
        self.text = text
        self.queries = queries
        self.contextual = contextual
        self.decoder = decoder

    def forward(
        self,
        pixels: Tensor,
        padding: Tensor | None,
        token_ids: Tensor,
        token_mask: Tensor,
        heatmap: Tensor | None,
        *,
        picture: Tensor | None = None,
    ) -> VatexOutput:
        """The predictions of B rows.

        Args:
            pixels: (P, 3, H, W) normalised (``reir.models.vatex.pixels``); H and W are multiples of 32.
            padding: (P, H, W) bool, true outside a picture; None where no picture is padded.
            token_ids: (B, T) int64, of ``reir.models.vatex.words.tokenize``.
            token_mask: (B, T) bool, true on words.
            heatmap: (B, tokens) of the CLIP Prior; None without it.
            picture: (B,) int64, the picture of each row; None: row b is about picture b. Pictures with several
                expressions are encoded once.
        """
        maps: list[Tensor] = self.visual(pixels, padding)  # finest first
        if picture is not None:
            maps = [level[picture] for level in maps]
            padding = None if padding is None else padding[picture]
        text = self.text(token_ids)
        fused = self.contextual(maps[::-1], text.words, token_mask, padding)
        class_logits, mask_logits = self.decoder(
            self.queries(text.sentence, heatmap), fused.maps[:3], fused.maps[3], padding
        )
        return VatexOutput(torch.stack(class_logits), torch.stack(mask_logits), fused.sentences)

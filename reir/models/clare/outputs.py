"""What the two branches of CLARE return."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class VisualOutput:
    """Objects of a batch of pictures. L decoder layers, B pictures, M queries, S dense positions.

    Boxes are in [0, 1] of the padded canvas, in centre form. Logits of padded positions are very negative.
    """

    boxes_cxcywh: Tensor
    """(L, B, M, 4), one refinement a decoder layer; the last is the final box."""
    objectness: Tensor
    """(L, B, M) logits, independent of any expression."""
    hidden: Tensor
    """(B, M, d) state of the last decoder layer, or of the last relation layer where there are some."""
    features: Tensor
    """(B, M, D) instance features O, L2-normalised."""
    proposal_boxes_cxcywh: Tensor
    """(B, S, 4) dense boxes of the first stage, one a position."""
    proposal_objectness: Tensor
    """(B, S) logits of the first stage."""
    proposal_centres: Tensor
    """(S, 2) x, y of each dense position."""
    proposal_valid: Tensor
    """(B, S) bool: the position lies on the picture, not on padding."""
    selected: Tensor
    """(B, M) long: the dense position that each query was made from."""
    denoised: Denoised | None = None
    """What became of the denoising queries of a training step; None without them."""


@dataclass(frozen=True, slots=True)
class Denoised:
    """K denoising queries a picture, decoded: the arguments of ``reir.losses.denoising_loss``."""

    boxes_cxcywh: Tensor
    """(L, B, K, 4) of the canvas."""
    targets_cxcywh: Tensor
    """(B, K, 4) the true box of each."""
    valid: Tensor
    """(B, K) bool."""


@dataclass(frozen=True, slots=True)
class TextOutput:
    """Q encoded expressions."""

    embedding: Tensor
    """(Q, D) T, L2-normalised."""
    sentence: Tensor
    """(Q, d) F_t, before MORE."""
    gates: Tensor
    """(Q, N_r) softmax gates before the top-k."""

"""Tables 1 to 7 of the CLARE paper and one of ours: the paper's rows, ours beside them, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BOX_RECALL: Final = ("br1_0.5", "br5_0.5", "br10_0.5")
ALL_BOX_RECALL: Final = tuple(f"br{k}_{iou}" for iou in ("0.5", "0.7", "0.9") for k in (1, 5, 10))
IMAGE_RECALL: Final = ("image_recall1", "image_recall5", "image_recall10")

HEADS: Final = {
    **{
        f"br{k}_{iou}": f"BR@{k}" + ("" if iou == "0.5" else f" ({iou})")
        for iou in ("0.5", "0.7", "0.9")
        for k in (1, 5, 10)
    },
    **{f"image_recall{k}": f"R@{k}" for k in (1, 5, 10)},
    "precision_0.5": "Precision@0.5",
    "boxes_found": "objects found",
    "mean_iou": "their mean IoU",
}


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: our experiment, and the paper's figures, if the paper has it."""

    label: str
    experiment: str
    paper: tuple[float, ...] = ()
    paper_label: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The paper (or, where ``paper`` is None, we) expect ``better`` to be above ``worse`` in ``figure``."""

    better: str
    worse: str
    figure: str
    paper: float | None
    """The difference that the paper reports, in points."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper."""

    number: str
    title: str
    figures: tuple[str, ...]
    rows: tuple[TableRow, ...]
    claims: tuple[Claim, ...]


TABLES: Final = (
    Table(
        "1",
        "CLARE against pictures first, boxes second",
        ALL_BOX_RECALL,
        (
            TableRow(
                "tower, then the network of stage 1",
                "tower + stage1",
                (17.77, 33.22, 38.71, 15.10, 31.42, 35.99, 8.74, 25.27, 27.41),
                "SigLIP-ViT-L, SimVG-ViT-L",
            ),
            TableRow(
                "tower, then stage 2 without CLIA",
                "tower + clia-none",
                (18.52, 33.22, 39.48, 17.82, 31.90, 37.84, 15.04, 26.74, 31.50),
                "SigLIP-ViT-L, DeepSeek-VL2",
            ),
            TableRow("tower, then a detector with CLIP", "tower + rcnn-clip"),
            TableRow(
                "CLARE, experts 4/2",
                "experts-4-2",
                (28.47, 49.50, 56.85, 25.96, 42.85, 48.57, 19.38, 31.53, 35.48),
                "CLARE-ViT-B",
            ),
        ),
        (
            Claim("experts-4-2", "tower + stage1", "br10_0.5", 18.14),
            Claim("experts-4-2", "tower + stage1", "br10_0.7", 12.58),
            Claim("experts-4-2", "tower + stage1", "br10_0.9", 8.07),
            Claim("experts-4-2", "tower + clia-none", "br10_0.5", 17.37),
            Claim("experts-4-2", "tower + clia-none", "br10_0.7", 10.73),
            Claim("experts-4-2", "tower + clia-none", "br10_0.9", 3.98),
            Claim("experts-4-2", "tower + rcnn-clip", "br10_0.5", None),
        ),
    ),
    Table(
        "2",
        "Comprehension inside the right picture",
        ("precision_0.5",),
        (
            TableRow("stage 1: focal loss inside a picture", "stage1"),
            TableRow("stage 2 without CLIA: REC alone", "clia-none", (87.07,), "SimVG-ViT-B, RefCOCO val"),
            TableRow("a detector with CLIP, one training", "rcnn-clip"),
            TableRow("CLARE without routed experts", "full"),
            TableRow("CLARE, experts 4/2", "experts-4-2", (90.22,), "CLARE-ViT-B, RefCOCO val"),
        ),
        (
            Claim("experts-4-2", "clia-none", "precision_0.5", 3.15),
            Claim("full", "clia-none", "precision_0.5", None),
        ),
    ),
    Table(
        "3",
        "Retrieval of pictures",
        IMAGE_RECALL,
        (
            TableRow("tower", "tower", (21.73, 40.74, 49.97), "SigLIP (ViT-B)"),
            TableRow("CLARE without routed experts", "full"),
            TableRow("CLARE, experts 4/2", "experts-4-2", (35.68, 64.36, 74.49), "CLARE-ViT-B"),
        ),
        (Claim("experts-4-2", "tower", "image_recall10", 24.52),),
    ),
    Table(
        "4",
        "Pretraining, fine-tuning, both",
        BOX_RECALL,
        (
            TableRow("pretraining alone (stage 1)", "stage1", (4.02, 12.17, 18.01)),
            TableRow("fine-tuning alone, as long as stage 2", "finetune-only", (13.44, 30.95, 39.83)),
            TableRow("fine-tuning alone, as long as both", "finetune-only-long"),
            TableRow("both", "full", (26.39, 46.44, 53.28)),
        ),
        (
            Claim("full", "stage1", "br10_0.5", 35.27),
            Claim("full", "finetune-only", "br10_0.5", 13.45),
            Claim("finetune-only", "stage1", "br10_0.5", 21.82),
            Claim("full", "finetune-only-long", "br10_0.5", None),
        ),
    ),
    Table(
        "5",
        "Routed experts, total and active",
        BOX_RECALL,
        (
            TableRow("0", "full", (26.39, 46.44, 53.28)),
            TableRow("2, 1 active", "experts-2-1", (26.95, 46.98, 53.96)),
            TableRow("4, 1 active", "experts-4-1", (27.65, 47.88, 53.80)),
            TableRow("4, 2 active", "experts-4-2", (28.47, 49.50, 56.85)),
        ),
        (
            Claim("experts-2-1", "full", "br10_0.5", 0.68),
            Claim("experts-4-1", "full", "br10_0.5", 0.52),
            Claim("experts-4-2", "full", "br10_0.5", 3.57),
            Claim("experts-4-2", "experts-4-1", "br10_0.5", 3.05),
        ),
    ),
    Table(
        "6",
        "What CLIA compares",
        BOX_RECALL,
        (
            TableRow("no CLIA", "clia-none", (4.74, 14.07, 21.24)),
            TableRow("within a picture", "clia-picture"),
            TableRow("mini-batch: groups of 4 pictures", "clia-minibatch", (18.66, 39.13, 48.62)),
            TableRow("the whole batch of 32", "full", (26.39, 46.44, 53.28)),
        ),
        (
            Claim("full", "clia-none", "br10_0.5", 32.04),
            Claim("full", "clia-minibatch", "br10_0.5", 4.66),
            Claim("clia-minibatch", "clia-none", "br10_0.5", 27.38),
            Claim("clia-minibatch", "clia-picture", "br10_0.5", None),
            Claim("clia-picture", "clia-none", "br10_0.5", None),
        ),
    ),
    Table(
        "7",
        "CLIA's loss",
        BOX_RECALL,
        (
            TableRow("focal loss", "clia-focal", (26.09, 45.35, 52.04)),
            TableRow("SigLIP loss", "full", (26.39, 46.44, 53.28)),
        ),
        (
            Claim("full", "clia-focal", "br1_0.5", 0.30),
            Claim("full", "clia-focal", "br10_0.5", 1.24),
        ),
    ),
    Table(
        "denoising",
        "Denoising queries in stage 1",
        ("boxes_found", "mean_iou", "precision_0.5", "br10_0.5", "br10_0.7", "br10_0.9"),
        (
            TableRow("stage 1", "stage1"),
            TableRow("stage 1 with about 21 denoising queries a picture", "stage1-denoising"),
        ),
        (
            Claim("stage1-denoising", "stage1", "boxes_found", None),
            Claim("stage1-denoising", "stage1", "mean_iou", None),
            Claim("stage1-denoising", "stage1", "br10_0.7", None),
        ),
    ),
)

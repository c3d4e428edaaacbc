"""The models that reir knows, one record each."""

from __future__ import annotations

from reir.models.registry import ModelEntry, register

CLARE_PAPER = "Referring Expression Instance Retrieval and A Strong End-to-End Baseline (ACM MM 2025)"
OWLVIT_PAPER = "Simple Open-Vocabulary Object Detection with Vision Transformers (ECCV 2022), arXiv 2205.06230"
OWLV2_PAPER = "Scaling Open-Vocabulary Object Detection (NeurIPS 2023), arXiv 2306.09683"
BRIDGING_PAPER = (
    "Bridging Detection and Language: A Comparative Study of CLIP-Augmented Referring Expression Comprehension"
)
TAS_PAPER = "Text Augmented Spatial-aware Zero-shot Referring Image Segmentation"

_PHOTOS = "open vocabulary, learned from pictures and captions of the web"
_CLIP_PIXELS = "pixels by CLIP's mean (0.481, 0.458, 0.408) and deviation (0.269, 0.261, 0.276)"
_CLARE_PIXELS = "scaled into the nearest canvas of its configuration, padded"

register(
    ModelEntry(
        name="clare-tiny",
        summary="every part of CLARE, small; embedded in the package, needs no network",
        source="package",
        loader="reir.models.clare.model:load",
        licence="Apache-2.0",
        paper=CLARE_PAPER,
        world="emoji scenes only: it was trained on nothing else and finds nothing sensible in photos",
        transforms=_CLARE_PIXELS,
        megabytes=16.5,
    )
)
register(
    ModelEntry(
        name="clare",
        summary="CLARE from a checkpoint folder written by reir train: clare:FOLDER",
        source="folder",
        loader="reir.models.clare.model:load",
        licence="of the checkpoint",
        paper=CLARE_PAPER,
        world="what the checkpoint was trained on",
        transforms=_CLARE_PIXELS,
    )
)


# Paces are those of benchmarks/bench_backends.py on two cores of a processor that computes in bfloat16; docs/models.md.
_OWLVIT = (
    "OWL-ViT ({}), an open-vocabulary detector, for photos",
    "resized to {0}x{0} without regard to shape",
    OWLVIT_PAPER,
)
_OWLV2 = (
    "OWLv2 ({}, ensemble), an open-vocabulary detector with objectness, for photos",
    "padded to a square at the bottom and right, resized to {0}x{0}",
    OWLV2_PAPER,
)
for _name, (_summary, _resized, _paper), _tower, _side, _megabytes, _pace in (
    ("owlvit-base-patch32", _OWLVIT, "ViT-B/32", 768, 614.7, "2.3 images/s on two processor cores"),
    ("owlvit-base-patch16", _OWLVIT, "ViT-B/16", 768, 612.9, None),
    ("owlvit-large-patch14", _OWLVIT, "ViT-L/14", 840, 1737.3, None),
    ("owlv2-base", _OWLV2, "ViT-B/16", 960, 621.5, "0.2 images/s on two processor cores, 0.5 with precision=bfloat16"),
    ("owlv2-large", _OWLV2, "ViT-L/14", 1008, 1752.1, None),
):
    register(
        ModelEntry(
            name=_name,
            summary=_summary.format(_tower),
            source="hub",
            loader="reir.models.owl:load",
            licence="Apache-2.0",
            paper=_paper,
            world=_PHOTOS,
            transforms=f"{_resized.format(_side)}; {_CLIP_PIXELS}",
            megabytes=_megabytes,
            pace=_pace,
        )
    )
for _name, _boxes, _pace in (
    ("rcnn-clip", "Faster R-CNN's boxes", "0.6 images/s on two processor cores, 1 with precision=bfloat16"),
    (
        "rpn-clip",
        "region proposals with objectness",
        "0.6 images/s on two processor cores, 1.7 with precision=bfloat16",
    ),
):
    register(
        ModelEntry(
            name=_name,
            summary=f"{_boxes}, crops embedded by a tower of open_clip: {_name}:TOWER",
            source="hub",
            loader="reir.models.detector_clip:load",
            licence="BSD-3-Clause, MIT",
            paper=BRIDGING_PAPER,
            world=_PHOTOS,
            transforms="detector: shorter side 480; crops: the tower's own",
            megabytes=772.6,
            pace=_pace,
        )
    )
register(
    ModelEntry(
        name="picture-clip",
        summary="whole pictures embedded by a tower of open_clip, for text-to-image retrieval: picture-clip:TOWER",
        source="hub",
        loader="reir.models.picture_clip:load",
        licence="MIT",
        paper=CLARE_PAPER,
        world=_PHOTOS,
        transforms="the tower's own",
        megabytes=605.1,
    )
)
register(
    ModelEntry(
        name="sam-clip",
        summary="SAM's masks, crops embedded by a tower of open_clip, captions on request: sam-clip:TOWER",
        source="hub",
        loader="reir.models.sam_clip:load",
        licence="Apache-2.0, MIT",
        paper=TAS_PAPER,
        world=_PHOTOS,
        transforms="SAM: longer side 1024; crops: the tower's own",
        megabytes=980.1,
        pace="0.07 images/s on two processor cores",
    )
)

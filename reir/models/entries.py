"""The models that reir knows, one record each."""

from __future__ import annotations

from reir.models.registry import ModelEntry, register

CLARE_PAPER = "Referring Expression Instance Retrieval and A Strong End-to-End Baseline (ACM MM 2025)"
OWLVIT_PAPER = "Simple Open-Vocabulary Object Detection with Vision Transformers (ECCV 2022), arXiv 2205.06230"
OWLV2_PAPER = "Scaling Open-Vocabulary Object Detection (NeurIPS 2023), arXiv 2306.09683"
BRIDGE_PAPER = "Bridging Detection and Language: CLIP-augmented referring expression comprehension"
TAS_PAPER = "TAS"
PHOTOS = "open vocabulary: what photos on the web show"
CLIP_NORM = "mean 0.4815 0.4578 0.4082, deviation 0.2686 0.2613 0.2758"

register(
    ModelEntry(
        name="clare-tiny",
        summary="every part of CLARE, small; embedded in the package, needs no network",
        source="package",
        loader="reir.models.clare.model:load",
        licence="Apache-2.0",
        paper=CLARE_PAPER,
        world="emoji scenes only: it was trained on nothing else and finds nothing sensible in photos",
        transforms="letterboxed to the nearest canvas of its configuration; pixels from -1 to 1",
        megabytes=10.9,
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
        transforms="letterboxed to the nearest canvas of its configuration; pixels from -1 to 1",
    )
)
for _name, _repository, _side, _megabytes in (
    ("owlvit-base-patch32", "google/owlvit-base-patch32", 768, 613),
    ("owlvit-base-patch16", "google/owlvit-base-patch16", 768, 612),
    ("owlvit-large-patch14", "google/owlvit-large-patch14", 840, 1738),
):
    register(
        ModelEntry(
            name=_name,
            summary="OWL-ViT, an open-vocabulary detector of web photos",
            source="hub",
            loader="reir.models.owl:load",
            licence="Apache-2.0",
            paper=OWLVIT_PAPER,
            world=PHOTOS,
            transforms=f"resized to {_side}x{_side}; {CLIP_NORM}",
            repositories=(_repository,),
            megabytes=_megabytes,
        )
    )
for _name, _repository, _side, _megabytes in (
    ("owlv2-base", "google/owlv2-base-patch16-ensemble", 960, 620),
    ("owlv2-large", "google/owlv2-large-patch14-ensemble", 1008, 1750),
):
    register(
        ModelEntry(
            name=_name,
            summary="OWLv2, an open-vocabulary detector of web photos with objectness",
            source="hub",
            loader="reir.models.owl:load",
            licence="Apache-2.0",
            paper=OWLV2_PAPER,
            world=PHOTOS,
            transforms=f"padded to a square, resized to {_side}x{_side}; {CLIP_NORM}",
            repositories=(_repository,),
            megabytes=_megabytes,
        )
    )
for _name, _summary in (
    ("rcnn-clip", "Faster R-CNN's boxes, each crop embedded by an image-text tower"),
    ("rpn-clip", "boxes of a region proposal network, each crop embedded by an image-text tower, with objectness"),
):
    register(
        ModelEntry(
            name=_name,
            summary=_summary,
            source="hub",
            loader="reir.models.detector_clip:load",
            licence="BSD-3-Clause (detector), MIT (tower ViT-B-32__openai)",
            paper=BRIDGE_PAPER,
            world=PHOTOS,
            transforms="the detector's and the tower's own",
        )
    )
register(
    ModelEntry(
        name="sam-clip",
        summary="SAM's masks, each masked crop embedded by an image-text tower, with captions where a captioner is set",
        source="hub",
        loader="reir.models.sam_clip:load",
        licence="Apache-2.0 (SAM), MIT (tower ViT-B-32__openai)",
        paper=TAS_PAPER,
        world=PHOTOS,
        transforms="SAM's and the tower's own",
    )
)

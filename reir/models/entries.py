"""The models that reir knows, one record each."""

from __future__ import annotations

from reir.models.parts import model_sources
from reir.models.registry import ModelEntry, register
from reir.models.specification import ModelSpec

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
        transforms=_CLARE_PIXELS,
    )
)


def _published(name: str, summary: str, *, loader: str, paper: str, transforms: str, pace: str | None = None) -> None:
    sources = tuple(model_sources(ModelSpec(name)))
    licences = list(dict.fromkeys(source.licence for source in sources if source.licence))
    sizes = [source.megabytes for source in sources]
    register(
        ModelEntry(
            name=name,
            summary=summary,
            source="hub",
            loader=loader,
            licence=", ".join(licences),
            paper=paper,
            world=_PHOTOS,
            transforms=transforms,
            sources=sources,
            megabytes=round(sum(size for size in sizes if size is not None), 1),
            pace=pace,
        )
    )


for _name, _tower, _side in (
    ("owlvit-base-patch32", "ViT-B/32", 768),
    ("owlvit-base-patch16", "ViT-B/16", 768),
    ("owlvit-large-patch14", "ViT-L/14", 840),
):
    _published(
        _name,
        f"OWL-ViT ({_tower}), an open-vocabulary detector, for photos",
        loader="reir.models.owl:load",
        paper=OWLVIT_PAPER,
        transforms=f"resized to {_side}x{_side} without regard to shape; {_CLIP_PIXELS}",
    )
for _name, _tower, _side in (("owlv2-base", "ViT-B/16", 960), ("owlv2-large", "ViT-L/14", 1008)):
    _published(
        _name,
        f"OWLv2 ({_tower}, ensemble), an open-vocabulary detector with objectness, for photos",
        loader="reir.models.owl:load",
        paper=OWLV2_PAPER,
        transforms=f"padded to a square at the bottom and right, resized to {_side}x{_side}; {_CLIP_PIXELS}",
    )
_published(
    "rcnn-clip",
    "Faster R-CNN's boxes, crops embedded by a tower of open_clip: rcnn-clip:TOWER",
    loader="reir.models.detector_clip:load",
    paper=BRIDGING_PAPER,
    transforms="detector: shorter side 480; crops: the tower's own",
)
_published(
    "rpn-clip",
    "region proposals with objectness, crops embedded by a tower of open_clip: rpn-clip:TOWER",
    loader="reir.models.detector_clip:load",
    paper=BRIDGING_PAPER,
    transforms="detector: shorter side 480; crops: the tower's own",
)
_published(
    "sam-clip",
    "SAM's masks, crops embedded by a tower of open_clip, captions on request: sam-clip:TOWER",
    loader="reir.models.sam_clip:load",
    paper=TAS_PAPER,
    transforms="SAM: longer side 1024; crops: the tower's own",
)

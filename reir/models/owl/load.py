"""From a model's name to an OWL model: which weights, from where, of which family."""

from __future__ import annotations

from pathlib import Path

from reir.errors import UsageError
from reir.models.hub import find_folder
from reir.models.owl.folder import OwlFolder
from reir.models.owl.model import NMS_IOU, OwlModel
from reir.models.specification import ModelSpec

REPOSITORIES = {
    "owlvit-base-patch32": "google/owlvit-base-patch32",
    "owlvit-base-patch16": "google/owlvit-base-patch16",
    "owlvit-large-patch14": "google/owlvit-large-patch14",
    "owlv2-base": "google/owlv2-base-patch16-ensemble",
    "owlv2-large": "google/owlv2-large-patch14-ensemble",
}
"""The hub repository of each name's weights, where no folder is given."""


def load(spec: ModelSpec, *, device: str) -> OwlModel:
    """The OWL model of a name: ``owlv2-base``, ``owlv2-base:FOLDER``, ``owlv2-base:FOLDER,nms=0.5``.

    A folder is one that ``save_pretrained`` wrote. ``nms`` is the overlap (IoU) beyond which the lesser of two boxes of
    a picture goes, 0.7 unless given.

    Raises:
        UsageError: an unknown option; a folder that is incomplete, or of the other family.
        WeightsMissingError: no folder is given, and the hub's cache has not the weights.
    """
    spec.require_options(["nms"])
    nms_iou = spec.number("nms", NMS_IOU, low=0.0, high=1.0)
    argument = None
    if spec.argument is None:
        path = find_folder(REPOSITORIES[spec.name])
    else:
        path = Path(spec.argument).expanduser().resolve()
        argument = str(path)
    folder = OwlFolder.open(path)
    if not spec.name.startswith(f"{folder.family}-"):
        fitting = next(name for name in REPOSITORIES if name.startswith(f"{folder.family}-"))
        raise UsageError(f"{path} holds weights of {folder.family}, not of {spec.name}. Say: --model {fitting}:{path}")
    # An index keeps the name; a default that is spelled out makes no other model.
    options = {} if nms_iou == NMS_IOU else {"nms": f"{nms_iou:g}"}
    return OwlModel(folder, name=str(ModelSpec(spec.name, argument, options)), nms_iou=nms_iou, device=device)

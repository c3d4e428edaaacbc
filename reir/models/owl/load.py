"""From a model's name to an OWL model: which weights, from where, of which family."""

from __future__ import annotations

from pathlib import Path

from reir.errors import UsageError, WeightsMissingError
from reir.models.hub import find_folder, hub_source
from reir.models.hub.find import mend_missing
from reir.models.owl.folder import OwlFolder
from reir.models.owl.model import NMS_IOU, PRECISIONS, OwlModel
from reir.models.specification import ModelSpec, changed_options

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

    A folder is one that ``save_pretrained`` wrote. Options: ``nms``, the overlap (IoU) beyond which the lesser of two
    boxes of a picture goes, 0.7 unless given; ``precision``, what the vision tower computes in: ``float32`` or
    ``bfloat16``. Without it that is bfloat16 on a GPU that has it, and float32 on a processor, though one with AMX is
    three times as fast in bfloat16: logits then differ from the library's own by about a hundredth of their spread.

    Raises:
        UsageError: an unknown option or value; a folder that is incomplete, or of the other family.
        WeightsMissingError: no folder is given, and the hub's cache has not the weights.
    """
    spec.require_options(["nms", "precision"])
    nms_iou = spec.number("nms", NMS_IOU, low=0.0, high=1.0)
    precision = spec.options.get("precision")
    if precision not in (None, *PRECISIONS):
        raise UsageError(f"{spec.name}: precision must be {' or '.join(PRECISIONS)}, got {precision!r}")
    argument = None
    if spec.argument is None:
        path = find_folder(REPOSITORIES[spec.name])
    else:
        path = Path(spec.argument).expanduser().resolve()
        argument = str(path)
    try:
        folder = OwlFolder.open(path)
    except UsageError as error:
        if argument is not None:
            raise
        # Another program has fetched a part of it.
        raise WeightsMissingError(spec.name, str(error), mend_missing(hub_source(REPOSITORIES[spec.name]))) from error
    if not spec.name.startswith(f"{folder.family}-"):
        fitting = next(name for name in REPOSITORIES if name.startswith(f"{folder.family}-"))
        raise UsageError(f"{path} holds weights of {folder.family}, not of {spec.name}. Say: --model {fitting}:{path}")
    # An index keeps the name; a default that is spelled out makes no other model.
    options = changed_options({"nms": nms_iou}, {"nms": NMS_IOU})
    if precision is not None:
        options["precision"] = precision
    name = str(ModelSpec(spec.name, argument, options))
    return OwlModel(folder, name=name, nms_iou=nms_iou, precision=precision, device=device)

"""Retrieval on scenes of the validation split while the layers after the decoder train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from reir.data.expressions import KINDS
from reir.data.splits import VALIDATION
from reir.data.synth import build_split
from reir.geometry import cxcywh_to_xyxy, nms
from reir.metrics import box_recall_from_arrays
from reir.models.clare.network import Clare
from reir.text import WordTokenizer
from reir.training.relating.objective import relate
from reir.training.relating.states import States, picture_states
from reir.training.scenes.cache import letterboxed_scene
from reir.training.scenes.serving import MIN_OBJECTNESS, NMS_IOU

_SCALE = 1.5
_AT_ONCE = 256


@dataclass(frozen=True)
class ValidationStates:
    """Decoder states of validation scenes, the predictions that serving keeps, and expressions that fit one object."""

    states: States
    aspect: npt.NDArray[np.float32]
    kept: list[npt.NDArray[np.int64]]
    """Of each picture, the predictions that serving keeps."""
    expressions: list[str]
    kinds: npt.NDArray[np.str_]
    pictures: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    """(Q, 4) true boxes, in picture units of [0, 1]."""


def build_validation_states(
    network: Clare, count: int, canvases: Sequence[tuple[int, int]], *, device: str = "cpu"
) -> ValidationStates:
    """The first ``count`` scenes of the validation split, never of the test split, as ``network`` sees them."""
    scenes, selection = build_split(VALIDATION.name, count)
    letterboxes = [letterboxed_scene(scene, list(canvases), _SCALE) for scene in scenes]
    by_canvas: dict[tuple[int, ...], list[int]] = {}
    for index, letterbox in enumerate(letterboxes):
        by_canvas.setdefault(letterbox.pixels.shape, []).append(index)
    network.eval()
    order: list[int] = []
    made: list[States] = []
    for members in by_canvas.values():
        for start in range(0, len(members), 32):
            chunk = members[start : start + 32]
            pixels = np.stack([letterboxes[i].pixels for i in chunk])
            valid = np.array([(letterboxes[i].valid_height, letterboxes[i].valid_width) for i in chunk])
            made.append(picture_states(network, pixels, valid, device=device, bf16=False))
            order += chunk
    place = np.argsort(order)
    states = States(*(np.concatenate([getattr(one, name) for one in made])[place] for name in States.__slots__))
    kept = []
    for boxes, logits in zip(states.boxes, states.objectness, strict=True):
        sure = 1 / (1 + np.exp(-logits))
        chosen = nms(np.clip(cxcywh_to_xyxy(boxes), 0, 1), sure, NMS_IOU)
        kept.append(chosen[(sure[chosen] >= MIN_OBJECTNESS) | (np.arange(len(chosen)) == 0)])
    truth = []
    for item in selection.unique:
        width, height = scenes[item.scene].size_units
        truth.append(np.array(scenes[item.scene].objects[item.target].box) / [width, height, width, height])
    return ValidationStates(
        states=states,
        aspect=np.array([scene.aspect for scene in scenes], dtype=np.float32),
        kept=kept,
        expressions=[item.expression.text for item in selection.unique],
        kinds=np.array([item.expression.kind for item in selection.unique]),
        pictures=np.array([item.scene for item in selection.unique], dtype=np.int64),
        boxes=np.array(truth, dtype=np.float32).reshape(-1, 4),
    )


@torch.inference_mode()
def validate_related(
    network: Clare, data: ValidationStates, tokenizer: WordTokenizer, *, device: str
) -> dict[str, Any]:
    """BoxRecall (both protocols), and BoxRecall@1 at IoU 0.5, ``official``, by kind of expression."""
    was_training = network.training
    network.eval()
    states = data.states
    given = (states.hidden.astype(np.float32), states.boxes, states.objectness, data.aspect)
    features = []
    for start in range(0, len(data.aspect), _AT_ONCE):
        block = (torch.from_numpy(array[start : start + _AT_ONCE]).to(device) for array in given)
        features.append(relate(network, *block)[1].cpu().numpy())
    vectors = np.concatenate(features)
    encoded = []
    for start in range(0, len(data.expressions), _AT_ONCE):
        ids, mask = (torch.from_numpy(a).to(device) for a in tokenizer.encode(data.expressions[start:][:_AT_ONCE]))
        encoded.append(network.encode_text(ids, mask).embedding)
    network.train(was_training)
    queries = torch.cat(encoded).cpu().numpy()
    boxes = np.clip(cxcywh_to_xyxy(states.boxes), 0, 1)
    gallery = (
        np.concatenate([vectors[i, chosen] for i, chosen in enumerate(data.kept)]),
        np.concatenate([boxes[i, chosen] for i, chosen in enumerate(data.kept)]),
        np.concatenate([np.full(len(chosen), i) for i, chosen in enumerate(data.kept)]),
    )
    measured = box_recall_from_arrays(queries, data.pictures, data.boxes, *gallery)
    by_kind = {}
    for kind in KINDS:
        of_kind = data.kinds == kind
        if not of_kind.any():
            continue
        recall = box_recall_from_arrays(queries[of_kind], data.pictures[of_kind], data.boxes[of_kind], *gallery)
        by_kind[kind] = recall["official"]["box_recall"]["0.5"]["1"]
    return {**measured, "by_kind": by_kind}

"""How a network does on photographs while it trains: retrieval over a gallery of them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch

from reir.data import Dataset, DatasetImage
from reir.imaging import decode_picture
from reir.imaging.letterbox import Letterbox, nearest_canvas
from reir.metrics import box_recall_from_arrays
from reir.models.clare.detect import detect
from reir.models.clare.network import Clare
from reir.models.clare.tokenizer import ClareTokenizer
from reir.training.full_size.serving import MIN_OBJECTNESS, NMS_IOU
from reir.types import Instances

BATCH = 4
"""Pictures that go through the network together."""
TEXTS = 256


def validate(
    network: Clare,
    dataset: Dataset,
    tokenizer: ClareTokenizer,
    *,
    canvases: list[tuple[int, int]],
    pictures: int | None = None,
    bf16: bool = False,
    kept: int = 30,
) -> dict[str, Any]:
    """BoxRecall (both protocols) over the first ``pictures`` of a data set; nothing where no expression is left.

    Pictures are decoded as they are needed and forgotten again.

    Raises:
        ImageUnreadableError: a picture cannot be read.
    """
    images = list(dataset.images)[:pictures]
    number = {image.file_name: i for i, image in enumerate(images)}
    queries = [query for query in dataset.queries if query.file_name in number]
    if not queries:
        return {}
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    by_canvas: dict[tuple[int, int], list[DatasetImage]] = defaultdict(list)
    for image in images:
        by_canvas[nearest_canvas(image.width, image.height, canvases)].append(image)
    found: dict[int, Instances] = {}
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        for canvas, members in by_canvas.items():
            for start in range(0, len(members), BATCH):
                chunk = members[start : start + BATCH]
                boxes = [
                    Letterbox.fit(
                        decode_picture(dataset.images_root / image.file_name, 2 * max(canvas)).picture, canvas
                    )
                    for image in chunk
                ]
                instances = detect(network, boxes, min_objectness=MIN_OBJECTNESS, nms_iou=NMS_IOU)
                found |= {number[image.file_name]: one for image, one in zip(chunk, instances, strict=True)}
        texts = []
        for start in range(0, len(queries), TEXTS):
            ids, mask = tokenizer.encode([query.text for query in queries[start : start + TEXTS]])
            encoded = network.encode_text(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            texts.append(encoded.embedding.float().cpu().numpy())
    network.train(was_training)
    return box_recall_from_arrays(
        np.concatenate(texts),
        np.array([number[query.file_name] for query in queries], dtype=np.int64),
        np.array([query.box for query in queries], dtype=np.float32),
        np.concatenate([found[i].vectors[:kept] for i in found]),
        np.concatenate([found[i].boxes[:kept] for i in found]),
        np.concatenate([np.full(len(found[i].boxes[:kept]), i) for i in found]),
    )

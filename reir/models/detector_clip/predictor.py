"""The dynamic CLIP predictor: a text-conditioned box head in place of the detector's classifier.

"Bridging Detection and Language", sections 3.1 and 4: the box head of Faster R-CNN is replaced by a predictor atop
frozen CLIP encoders. Its classes are the expressions that are asked for, each by its text embedding, so it is trained
once and answers any expression.

*Differs from the paper*: it gives no formula. Here the box head's feature is projected into the tower's space, and a
class's logit is the cosine with its text embedding times a learned scale; background is a learned direction of that
space; one class-agnostic box is regressed. So every logit is an inner product, and an index can hold the regions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.detector_clip.detector import read_weights

if TYPE_CHECKING:
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

_SCALE = 20.0
"""The scale before training: cosines of -1 to 1 can then make nearly sure of a class."""
_MAX_SCALE = 100.0


class ClipPredictor(nn.Module):
    """Logits and boxes of regions from the features of the detector's box head.

    ``features`` F is the length of a box head's feature, ``dimension`` E that of the tower's embeddings.
    """

    def __init__(self, *, features: int, dimension: int) -> None:
        super().__init__()
        self.projection = nn.Linear(features, dimension)
        self.background = nn.Parameter(torch.randn(dimension))
        self.log_scale = nn.Parameter(torch.tensor(math.log(_SCALE)))
        self.boxes = nn.Linear(features, 4)
        nn.init.normal_(self.boxes.weight, std=0.001)
        nn.init.zeros_(self.boxes.bias)

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by, at most 100."""
        return self.log_scale.clamp(max=math.log(_MAX_SCALE)).exp()

    def embed(self, features: Tensor) -> Tensor:
        """Unit embeddings (N, E) of features (N, F), in the tower's space."""
        return F.normalize(self.projection(features), dim=-1)

    def regress(self, features: Tensor) -> Tensor:
        """Shifts (N, 4) of the regions' boxes, as the detector's box coder decodes them."""
        shifts: Tensor = self.boxes(features)
        return shifts

    def logits(self, embeddings: Tensor, texts: Tensor) -> Tensor:
        """Logits (N, 1 + Q) of regions by unit embeddings (N, E): background, then each text by its row (Q, E)."""
        classes = torch.cat([F.normalize(self.background, dim=0)[None], texts])  # (1 + Q, E)
        return self.scale * embeddings @ classes.T


def load_predictor(weights: Path, *, features: int, dimension: int) -> ClipPredictor:
    """The predictor of a ``.safetensors`` file, for inference.

    Raises:
        UsageError: there is no such file, or it was made for another detector or tower.
    """
    state = read_weights(weights)
    predictor = ClipPredictor(features=features, dimension=dimension)
    wanted = {name: tuple(value.shape) for name, value in predictor.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != found:
        raise UsageError(
            f"{weights} is no predictor for features of {features} and embeddings of {dimension} numbers: "
            f"{_difference(wanted, found)}"
        )
    predictor.load_state_dict(state)
    return predictor.eval()


def predict_regions(
    detector: GeneralizedRCNN,
    predictor: ClipPredictor,
    features: Mapping[str, Tensor],
    proposals: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
) -> list[tuple[Tensor, Tensor]]:
    """Boxes (N, 4) and unit embeddings (N, E) of each image's proposals (N, 4), row for row.

    ``features`` are the backbone's maps, ``image_shapes`` (height, width) of the resized images, in whose pixels all
    boxes are. Nothing is suppressed: the proposals' objectness still belongs to the rows.
    """
    from torchvision.ops import clip_boxes_to_image

    heads: Any = detector.roi_heads
    pooled = heads.box_roi_pool(dict(features), list(proposals), list(image_shapes))
    regions = heads.box_head(pooled)  # (all N, F)
    boxes = heads.box_coder.decode(predictor.regress(regions), list(proposals))[:, 0]
    embeddings = predictor.embed(regions)
    counts = [len(rows) for rows in proposals]
    return [
        (clip_boxes_to_image(image_boxes, shape), image_embeddings)
        for image_boxes, image_embeddings, shape in zip(
            boxes.split(counts), embeddings.split(counts), image_shapes, strict=True
        )
    ]


def _difference(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            return f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'there')}"
    raise AssertionError("they are alike")

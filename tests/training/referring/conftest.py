"""Eight pictures of coloured rectangles with expressions, and a run file for them that needs nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir.training.referring import ReferringConfig

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "yellow": (230, 220, 40)}


@pytest.fixture(scope="package")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rectangles")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(8):
        pixels = np.full((96, 128, 3), 128, dtype=np.uint8)
        images.append({"id": i, "file_name": f"{i}.png", "width": 128, "height": 96})
        for k, name in enumerate(rng.choice(sorted(COLOURS), size=2, replace=False)):
            x, y = 64 * k + int(rng.integers(4, 24)), int(rng.integers(4, 50))
            width, height = (int(side) for side in rng.integers(24, 36, 2))
            pixels[y : y + height, x : x + width] = COLOURS[name]
            side = "left" if k == 0 else "right"
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "bbox": [x, y, width, height],
                    "expressions": [f"the {name} one", f"rectangle on the {side}"],
                }
            )
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
    (folder / "train.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder / "train.json"


@pytest.fixture(scope="package")
def run_of(rectangles: Path):
    """A run file of a kind for these pictures."""

    def make(kind: str, **optim: object) -> ReferringConfig:
        return ReferringConfig.model_validate(
            {
                "kind": kind,
                "name": "rectangles",
                "tower": "untrained",
                "data": {"dataset": str(rectangles)},
                "detector": {"arch": "fasterrcnn_small", "min_size": 96, "max_size": 128, "weights": "none"},
                "optim": {"pictures": 4, "learning_rate": 2e-3, "warmup": 2, "bf16": False, **optim},
                "checkpoint_every": 3,
            }
        )

    return make

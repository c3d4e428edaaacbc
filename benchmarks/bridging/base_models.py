"""Put the trained detector and tower together as the base models of the table, before any fine-tuning.

    python -m benchmarks.bridging.base_models --detector runs/detector --clip runs/clip --out runs/base

Writes ``runs/base/rcnn-clip`` and ``runs/base/rpn-clip``, which ``load_model`` takes as ``rcnn-clip:FOLDER`` and
``rpn-clip:FOLDER``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reir.models.detector_clip.detector import DetectorConfig, load_detector
from reir.training.referring.config import ReferringKind
from reir.training.referring.folder import write_model_folder

KINDS: tuple[ReferringKind, ...] = ("rcnn-clip", "rpn-clip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = DetectorConfig.from_json(json.loads((arguments.detector / "detector.json").read_text()))
    detector = load_detector(config, arguments.detector / "detector.safetensors")
    for kind in KINDS:
        tower = str(arguments.clip)
        print(write_model_folder(arguments.out / kind, kind=kind, config=config, detector=detector, tower=tower))


if __name__ == "__main__":
    main()

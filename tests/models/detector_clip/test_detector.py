from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.ops import FrozenBatchNorm2d

from reir.errors import UsageError
from reir.models.detector_clip.detector import (
    ARCHITECTURES,
    DetectorConfig,
    build_detector,
    feature_width,
    load_detector,
)

SMALL = DetectorConfig("fasterrcnn_small", classes=3, min_size=96, max_size=128)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("detector") / "detector.safetensors"
    save_file(build_detector(SMALL).state_dict(), path)
    return path


def test_config_survives_its_json_form() -> None:
    config = DetectorConfig("maskrcnn_resnet50_fpn", classes=5, min_size=320, max_size=640)
    assert DetectorConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"arch": "yolo"}, "no detector is called 'yolo'"),
        ({"arch": "fasterrcnn_small", "classes": 1}, "classes must be a whole number from 2"),
        ({"arch": "fasterrcnn_small", "min_size": 200, "max_size": 100}, "max_size must be a whole number from 200"),
        ({"arch": "fasterrcnn_small", "depth": 3}, "unknown: depth"),
        ({"classes": 2}, "no 'arch'"),
    ],
)
def test_wrong_config_is_told(record: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        DetectorConfig.from_json(record)


def test_small_detector_loads_and_finds_the_same(saved: Path) -> None:
    torch.manual_seed(0)
    built = build_detector(SMALL).eval()
    picture = torch.rand(3, 100, 120)
    with torch.inference_mode():
        (before,) = built([picture])
        (after,) = load_detector(SMALL, saved)([picture])
    assert len(after["boxes"]) > 0
    for key in ("boxes", "scores", "labels"):
        torch.testing.assert_close(after[key], before[key])
    assert feature_width(built) == 256
    assert sum(p.numel() for p in built.backbone.parameters()) < 2_000_000


def test_torchvision_file_loads_and_finds_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    # As torchvision builds it without weights: batch norm that counts its batches.
    theirs = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=4).eval()
    # With random weights all scores are alike; spread them so that some boxes pass the threshold.
    theirs.roi_heads.box_predictor.cls_score.weight.data.mul_(100)
    path = tmp_path / "detector.pth"
    torch.save(theirs.state_dict(), path)
    ours = load_detector(
        DetectorConfig("fasterrcnn_mobilenet_v3_large_320_fpn", classes=4, min_size=320, max_size=640), path
    )
    picture = torch.rand(3, 120, 160)
    with torch.inference_mode():
        (expected,), (found,) = theirs([picture]), ours([picture])
    assert len(expected["boxes"]) > 0
    torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found["scores"], expected["scores"], rtol=1e-3, atol=1e-4)
    assert any(isinstance(module, FrozenBatchNorm2d) for module in ours.modules())


def test_mask_detector_of_torchvision_loads(tmp_path: Path) -> None:
    config = DetectorConfig("maskrcnn_resnet50_fpn", classes=2, min_size=64, max_size=96)
    path = tmp_path / "mask.safetensors"
    save_file(build_detector(config).state_dict(), path)
    with torch.inference_mode():
        (found,) = load_detector(config, path)([torch.rand(3, 64, 64)])
    assert found["masks"].shape[1:] == (1, 64, 64)


def test_every_architecture_is_one_of_torchvision_or_ours() -> None:
    import torchvision.models.detection as detection

    theirs = [arch for arch in ARCHITECTURES if hasattr(detection, arch)]
    assert len(theirs) == len(ARCHITECTURES) - 1 >= 5


def test_foreign_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"with 4 classes: 4 of another shape, such as roi_heads\.box_predictor"):
        load_detector(DetectorConfig("fasterrcnn_small", classes=4, min_size=96, max_size=128), saved)
    with pytest.raises(UsageError, match="no weights at"):
        load_detector(SMALL, tmp_path / "none.safetensors")
    partial = tmp_path / "partial.safetensors"
    save_file({"backbone.other": torch.zeros(1)}, partial)
    with pytest.raises(UsageError, match=r"missing, such as .*; 1 unknown, such as backbone\.other"):
        load_detector(SMALL, partial)
    for suffix in ("safetensors", "pth"):
        damaged = tmp_path / f"damaged.{suffix}"
        damaged.write_bytes(b"not tensors")
        with pytest.raises(UsageError, match="damaged"):
            load_detector(SMALL, damaged)

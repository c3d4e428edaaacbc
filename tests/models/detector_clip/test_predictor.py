from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reir.errors import UsageError
from reir.models.detector_clip.detector import DetectorConfig, build_detector, feature_width
from reir.models.detector_clip.predictor import ClipPredictor, load_predictor, predict_regions


def _units(count: int, dimension: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, dimension), dim=-1)


def test_logits_are_inner_products_of_embeddings() -> None:
    torch.manual_seed(0)
    predictor = ClipPredictor(features=12, dimension=6)
    features, texts = torch.randn(5, 12), _units(3, 6)
    embeddings = predictor.embed(features)
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))
    logits = predictor.logits(embeddings, texts)
    assert logits.shape == (5, 4)
    for n in range(5):
        for q in range(3):
            torch.testing.assert_close(logits[n, q + 1], 20.0 * torch.dot(embeddings[n], texts[q]))
    background = predictor.background / predictor.background.norm()
    torch.testing.assert_close(logits[:, 0], 20.0 * embeddings @ background)


def test_scale_is_bounded() -> None:
    predictor = ClipPredictor(features=4, dimension=4)
    predictor.log_scale.data.fill_(50.0)
    assert predictor.scale.item() == pytest.approx(100.0)


def test_loaded_predictor_gives_the_same(tmp_path: Path) -> None:
    predictor = ClipPredictor(features=12, dimension=6)
    path = tmp_path / "predictor.safetensors"
    save_file(predictor.state_dict(), path)
    loaded = load_predictor(path, features=12, dimension=6)
    features = torch.randn(4, 12)
    assert torch.equal(loaded.embed(features), predictor.embed(features))
    assert torch.equal(loaded.regress(features), predictor.regress(features))
    with pytest.raises(UsageError, match=r"background is \(6,\), not \(8,\)"):
        load_predictor(path, features=12, dimension=8)
    with pytest.raises(UsageError, match="no weights at"):
        load_predictor(tmp_path / "none.safetensors", features=12, dimension=6)


def test_regions_keep_their_rows_and_stay_in_the_image() -> None:
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("fasterrcnn_small", classes=2, min_size=64, max_size=96)).eval()
    predictor = ClipPredictor(features=feature_width(detector), dimension=6)
    images = torch.rand(2, 3, 64, 96)
    proposals = [torch.tensor([[4.0, 4.0, 40.0, 40.0], [50.0, 10.0, 95.0, 63.0]]), torch.zeros(0, 4)]
    with torch.inference_mode():
        maps = detector.backbone(images)
        together = predict_regions(detector, predictor, maps, proposals, [(64, 96)] * 2)
        alone = predict_regions(
            detector, predictor, {k: v[:1] for k, v in maps.items()}, [proposals[0][1:]], [(64, 96)]
        )
    (boxes, embeddings), (none, no_embeddings) = together
    assert none.shape == (0, 4)
    assert no_embeddings.shape == (0, 6)
    # Hardly trained, it moves boxes by less than a pixel.
    torch.testing.assert_close(boxes, proposals[0], rtol=0, atol=1.0)
    torch.testing.assert_close(alone[0][1][0], embeddings[1], rtol=1e-4, atol=1e-5)
    predictor.boxes.bias.data.fill_(3.0)
    with torch.inference_mode():
        ((moved, _), _) = predict_regions(detector, predictor, maps, proposals, [(64, 96)] * 2)
    assert not torch.allclose(moved, proposals[0], atol=1.0)
    assert moved.min() >= 0
    assert moved[:, 2].max() <= 96
    assert moved[:, 3].max() <= 64

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import mobilenet_v3_large

from reir.cli.app import run
from reir.data import load_dataset
from reir.errors import UsageError, WeightsMissingError
from reir.imaging.decode import decode_picture
from reir.models import load_model
from reir.models.detector_clip.detector import DetectorConfig, build_detector
from reir.models.detector_clip.predictor import predict_regions
from reir.training.referring.config import DetectorStart
from reir.training.referring.objective import detector_losses, total_loss
from reir.training.referring.pictures import read_pixels, referred_pictures
from reir.training.referring.run import train
from reir.training.referring.start import load_backbone, load_start, make_start, set_training

KINDS = ("rcnn-clip", "rpn-clip")


def _losses(start, rectangles: Path) -> dict[str, torch.Tensor]:
    pictures = referred_pictures(load_dataset(rectangles), limit=2)
    read = [read_pixels(picture, 128) for picture in pictures]
    texts = [
        torch.from_numpy(start.tower.encode_texts([words[0] for words in picture.expressions])) for picture in pictures
    ]
    images, boxes = zip(*read, strict=True)
    return detector_losses(start.detector, start.predictor, images, boxes, texts)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_what_is_trained_and_nothing_else(kind: str, run_of, rectangles: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = run_of(kind)
    start = make_start(config, folder=tmp_path, device="cpu")
    set_training(start, frozen_norms=False)
    before = start.tower.encode_texts(["the red one"])
    optim = torch.optim.SGD([parameter for module in start.modules for parameter in module.parameters()], lr=1e-2)
    losses = _losses(start, rectangles)
    assert losses.keys() == {"objectness", "rpn_box", "classifier", "box"}
    total_loss(losses, config.loss).backward()
    optim.step()
    reached = {name for module in start.modules for name, p in module.named_parameters() if p.grad is not None}
    every = {name for module in start.modules for name, _ in module.named_parameters()}
    classifier = {name for name in every if name.startswith("roi_heads.box_predictor")}
    assert len(classifier) == 4
    # The dynamic predictor replaces the detector's own, which then has nothing to learn from.
    assert reached == (every if kind == "rcnn-clip" else every - classifier)
    assert np.array_equal(start.tower.encode_texts(["the red one"]), before)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])  # whichever text is said of whichever region
def test_the_predictor_learns_which_text_belongs_to_which_region(
    order: list[int], run_of, rectangles: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    start = make_start(run_of("rpn-clip"), folder=tmp_path, device="cpu")
    assert start.predictor is not None
    start.detector.rpn._post_nms_top_n["training"] = 4  # hardly any background: few steps are enough
    set_training(start, frozen_norms=False)
    picture = referred_pictures(load_dataset(rectangles), limit=1)[0]
    pixels, boxes = read_pixels(picture, 128)
    texts = torch.eye(start.tower.dimension)[:2][order]
    optim = torch.optim.Adam([*start.detector.parameters(), *start.predictor.parameters()], lr=2e-3)
    for _ in range(40):
        optim.zero_grad()
        detector_losses(start.detector, start.predictor, [pixels], [boxes], [texts])["classifier"].backward()
        optim.step()
    with torch.inference_mode():
        images, _ = start.detector.transform([pixels])
        maps = start.detector.backbone(images.tensors)
        ((_, embeddings),) = predict_regions(start.detector, start.predictor, maps, [boxes], images.image_sizes)
    cosines = embeddings @ texts.T
    assert float((cosines.diagonal() - cosines.fliplr().diagonal()).min()) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_learns_its_pictures_and_its_folder_loads(kind: str, run_of, rectangles: Path, tmp_path: Path) -> None:
    config = run_of(kind, epochs=10)
    report = train(config, out=tmp_path, device="cpu", log=lambda _: None)
    assert report.folder == tmp_path / "model"
    assert report.steps == 20
    epochs = [json.loads(line) for line in (tmp_path / "epochs.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in epochs] == list(range(1, 11))
    assert epochs[-1]["loss"] < 0.7 * epochs[0]["loss"]
    facts = json.loads((tmp_path / "config.json").read_text())
    assert facts["config"]["kind"] == kind
    assert {"torch", "torchvision", "open_clip_torch", "commit"} <= facts.keys()

    model = load_model(f"{kind}:{report.folder}", device="cpu")
    dataset = load_dataset(rectangles)
    picture = decode_picture(dataset.images_root / dataset.images[0].file_name).picture
    (instances,) = model.extract([picture])
    assert len(instances) > 0
    assert instances.vectors.shape[1] == model.identity.dimension == model.encode(["the red one"]).shape[1]
    assert np.isfinite(instances.vectors).all()


def test_a_resumed_run_ends_as_the_whole_one(run_of, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    train(run_of("rpn-clip", epochs=2), out=whole, device="cpu", log=lambda _: None)

    class StoppedError(Exception):
        pass

    def stop(line: str) -> None:
        if line == "checkpoint at 3":
            raise StoppedError

    with pytest.raises(StoppedError):
        train(run_of("rpn-clip", epochs=2), out=parted, device="cpu", log=stop)
    assert not (parted / "model").exists()
    halfway = torch.load(parted / "checkpoint.pt", weights_only=True)["modules"]
    train(run_of("rpn-clip", epochs=2), out=parted, device="cpu", resume=True, log=lambda _: None)
    for file, before in zip(("detector.safetensors", "predictor.safetensors"), halfway, strict=True):
        expected, found = load_file(whole / "model" / file), load_file(parted / "model" / file)
        assert expected.keys() == found.keys() == before.keys()
        apart = sum(float((found[name] - value).float().square().sum()) for name, value in expected.items())
        moved = sum(float((before[name] - value).float().square().sum()) for name, value in expected.items())
        # Adam makes the rounding of gradients near zero visible.
        assert apart < 1e-3 * moved
    expected, found = (
        [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()] for folder in (whole, parted)
    )
    assert [record["epoch"] for record in found] == [1, 2]
    assert [record["loss"] for record in found] == pytest.approx([record["loss"] for record in expected], rel=0.03)

    with pytest.raises(UsageError, match=r"made with other settings \(optim\)"):
        train(run_of("rpn-clip", learning_rate=1e-3), out=parted, device="cpu", resume=True)
    with pytest.raises(UsageError, match="Start the run without --resume"):
        train(run_of("rpn-clip"), out=tmp_path / "new", device="cpu", resume=True)


def test_a_detector_of_other_classes_starts_a_run(tmp_path: Path) -> None:
    torch.manual_seed(0)
    known = build_detector(DetectorConfig("fasterrcnn_small", classes=7, min_size=96, max_size=128))
    path = tmp_path / "detector.safetensors"
    save_file(known.state_dict(), path)
    torch.manual_seed(1)
    detector = build_detector(DetectorConfig("fasterrcnn_small", classes=2, min_size=96, max_size=128))
    start = DetectorStart(arch="fasterrcnn_small", weights=str(path))
    load_start(detector, start)
    wanted, found = known.state_dict(), detector.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted if "box_predictor" not in name)
    assert found["roi_heads.box_predictor.cls_score.weight"].shape[0] == 2
    partial = {name: value for name, value in wanted.items() if not name.startswith("rpn.head.bbox_pred")}
    save_file(partial, path)
    with pytest.raises(UsageError, match=r"rpn\.head\.bbox_pred\.\w+ is missing"):
        load_start(detector, start)


def test_an_imagenet_classifier_gives_its_backbone() -> None:
    torch.manual_seed(0)
    classifier = mobilenet_v3_large(weights=None).state_dict()
    config = DetectorConfig("fasterrcnn_mobilenet_v3_large_320_fpn", classes=2, min_size=96, max_size=128)
    detector = build_detector(config)
    load_backbone(detector, classifier)
    body = detector.backbone.body.state_dict()
    assert len(body) > 200
    assert all(torch.equal(value, classifier[f"features.{name}"]) for name, value in body.items())
    with pytest.raises(UsageError, match=r"not the weights of the detector's backbone: 0\.0\.weight is missing"):
        load_backbone(detector, {"conv1.weight": torch.zeros(1)})


def test_missing_imagenet_weights_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = DetectorConfig("fasterrcnn_mobilenet_v3_large_320_fpn", classes=2, min_size=96, max_size=128)
    with pytest.raises(WeightsMissingError, match=r"mobilenet of ImageNet .*mobilenet_v3_large-8738ca79\.pth"):
        load_start(build_detector(config), DetectorStart(arch=config.arch))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_presets_in_their_smoke_form_from_the_command_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", f"{kind}-refcoco", "--smoke", "--out", str(tmp_path), "--device", "cpu"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == tmp_path / "model"
    assert json.loads((folder / "config.json").read_text())["model"] == kind
    assert load_model(f"{kind}:{folder}").identity.dimension == 16 + (kind == "rpn-clip")

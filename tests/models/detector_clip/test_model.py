"""Detector and tower as a model: what it finds, stores and asks, on small random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reir.errors import UsageError, WeightsMissingError
from reir.geometry import iou_matrix, nms
from reir.models import load_model
from reir.models.detector_clip.crops import cut_crops
from reir.models.detector_clip.scores import TEMPLATES
from reir.protocols import CropModel, Model
from reir.types import Picture
from tests.models.detector_clip.tiny_detector import CLASSES, SIZE, noise_picture, save_tiny_detector, save_tiny_model
from tests.models.towers.tiny_tower import DIMENSION, save_tiny_tower

EXPRESSIONS = ["a red dog", "blue car near a tree", "the small lamp"]


@pytest.fixture(scope="module")
def rcnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("rcnn"))


@pytest.fixture(scope="module")
def rpn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("rpn"), kind="rpn-clip")


@pytest.fixture(scope="module")
def predicting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("predicting"), kind="rpn-clip", predictor=True)


@pytest.fixture(scope="module", params=["rcnn", "rpn", "predicting"])
def model(request: pytest.FixtureRequest):
    folder = request.getfixturevalue(request.param)
    return load_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Of three shapes, so that they go through the detector in three groups."""
    sizes = [(200, 150), (150, 200), (200, 150), (260, 150), (200, 150), (97, 103)]
    return [noise_picture(i, width=width, height=height) for i, (width, height) in enumerate(sizes)]


@pytest.fixture(scope="module")
def found(model, pictures):
    return model.extract(pictures)


def test_it_is_a_model_of_crops(model):
    assert isinstance(model, Model)
    assert isinstance(model, CropModel)


def test_instances_are_boxes_within_their_pictures_best_first(model, pictures, found):
    assert sum(len(instances) for instances in found) > 3 * len(pictures)
    for picture, instances in zip(pictures, found, strict=True):
        assert len(instances) <= 30
        assert (instances.boxes >= 0).all()
        assert (instances.boxes[:, 2:] <= [picture.width, picture.height]).all()
        assert (instances.boxes[:, 2:] > instances.boxes[:, :2]).all()
        assert (np.diff(instances.objectness) <= 0).all()
        assert instances.vectors.shape[1] == model.identity.dimension
        np.testing.assert_allclose(np.linalg.norm(model.crop_vectors(instances.vectors), axis=1), 1, atol=1e-5)


def test_no_two_boxes_are_one_object(model, pictures, found):
    """Class-agnostic: suppressing them again takes nothing away."""
    limit = model.parts.settings.nms
    for instances in found:
        assert len(nms(instances.boxes, instances.objectness, limit + 1e-5)) == len(instances)
    assert max(np.triu(iou_matrix(item.boxes, item.boxes), 1).max() for item in found) > 0.1


def test_company_changes_nothing(model, pictures, found):
    for picture, instances in zip(pictures, found, strict=True):
        (alone,) = model.extract([picture])
        np.testing.assert_allclose(alone.boxes, instances.boxes, atol=1e-2)
        np.testing.assert_allclose(alone.objectness, instances.objectness, atol=1e-4)
        np.testing.assert_allclose(alone.vectors, instances.vectors, atol=1e-3)


def test_the_first_picture_does_not_set_the_scale_for_others(rcnn, pictures):
    """Torchvision measures its strides on whatever comes first."""
    strip = noise_picture(9, width=2000, height=40)
    after_a_strip, fresh = (load_model(str(rcnn), device="cpu") for _ in range(2))
    after_a_strip.extract([strip])
    (expected,) = fresh.extract(pictures[:1])
    (got,) = after_a_strip.extract(pictures[:1])
    np.testing.assert_array_equal(got.boxes, expected.boxes)


def test_nothing_in_nothing_out(model):
    assert model.extract([]) == []
    assert model.encode([]).shape == model.encode_images([]).shape == (0, model.identity.dimension)
    picture = noise_picture(0)
    assert model.encode_boxes(picture, np.zeros((0, 4), np.float32)).shape == (0, DIMENSION)


def test_a_picture_without_boxes_has_no_instances(rcnn):
    model = load_model(f"rcnn-clip:{rcnn},score=1", device="cpu")
    (instances,) = model.extract([noise_picture(0)])
    assert instances.boxes.shape == (0, 4)
    assert instances.vectors.shape == (0, DIMENSION)


@pytest.mark.parametrize("name", ["rcnn", "rpn"])
def test_boxes_are_embedded_as_they_were_indexed(request, name, pictures):
    folder = request.getfixturevalue(name)
    model = load_model(f"{name}-clip:{folder},pad=0.3,context=0.2", device="cpu")
    for picture in pictures[:2]:
        (instances,) = model.extract([picture])
        np.testing.assert_allclose(
            model.encode_boxes(picture, instances.boxes), model.crop_vectors(instances.vectors), atol=1e-5
        )


def test_context_mixes_in_the_whole_picture(rcnn, pictures):
    picture = pictures[0]
    boxes = np.array([[10, 10, 60, 90], [100, 20, 180, 140]], dtype=np.float32)
    plain = load_model(f"rcnn-clip:{rcnn}", device="cpu")
    crops, whole = plain.encode_boxes(picture, boxes), plain.encode_images([picture])
    for share in (0.3, 1.0):
        mixed = (1 - share) * crops + share * whole
        expected = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        got = load_model(f"rcnn-clip:{rcnn},context={share}", device="cpu").encode_boxes(picture, boxes)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_half_the_bits_find_nearly_the_same(rcnn, pictures):
    boxes = np.array([[10, 10, 60, 90], [100, 20, 180, 140]], dtype=np.float32)
    full, half = (load_model(f"rcnn-clip:{rcnn},precision={name}", device="cpu") for name in ("float32", "bfloat16"))
    cosines = (full.encode_boxes(pictures[0], boxes) * half.encode_boxes(pictures[0], boxes)).sum(axis=1)
    assert (cosines > 0.999).all()
    assert (cosines < 1 - 1e-7).any()
    (one,), (other,) = full.extract(pictures[:1]), half.extract(pictures[:1])
    assert (iou_matrix(one.boxes[:5], other.boxes).max(axis=1) > 0.9).all()
    assert not np.array_equal(one.boxes, other.boxes)


def test_padding_is_a_larger_crop(rcnn, pictures):
    box = np.array([[60, 50, 100, 90]], dtype=np.float32)
    padded = load_model(f"rcnn-clip:{rcnn},pad=0.25", device="cpu").encode_boxes(pictures[0], box)
    larger = load_model(f"rcnn-clip:{rcnn}", device="cpu").encode_boxes(
        pictures[0], np.array([[50, 40, 110, 100]], np.float32)
    )
    np.testing.assert_array_equal(padded, larger)


def test_crops_take_in_every_pixel_that_is_touched():
    pixels = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    picture = Picture(pixels, 40, 20)  # decoded at half its size
    boxes = np.array([[4, 2, 8, 6], [4.5, 2.5, 8.5, 6.5], [39.9, 19.9, 40, 20], [-5, -5, 50, 50]], dtype=np.float32)
    crops = cut_crops(picture, boxes)
    for crop, (x0, y0, x1, y1) in zip(
        crops, [(2, 1, 4, 3), (2, 1, 5, 4), (19, 9, 20, 10), (0, 0, 20, 10)], strict=True
    ):
        np.testing.assert_array_equal(crop, pixels[y0:y1, x0:x1])
    assert all(np.shares_memory(crop, pixels) for crop in crops)
    (padded,) = cut_crops(picture, boxes[:1], pad=0.5)
    np.testing.assert_array_equal(padded, pixels[0:4, 1:5])


def test_blend_is_the_papers_sum(rpn, pictures):
    model = load_model(str(rpn), device="cpu")
    found = model.extract(pictures)
    crops = np.concatenate([model.crop_vectors(item.vectors) for item in found])
    objectness = np.concatenate([item.objectness for item in found])
    texts = [[template.format(text) for template in TEMPLATES] for text in EXPRESSIONS]
    cosines = np.stack([np.mean([crops @ model.encode_texts([text])[0] for text in row], axis=0) for row in texts])
    stored = np.concatenate([item.vectors for item in found])
    for share, tau in [(0.7, 0.07), (0.0, 1.0), (1.0, 0.5), (0.25, 10.0)]:
        expected = share * cosines / tau + (1 - share) * objectness
        got = model.encode(EXPRESSIONS, blend={"lambda": share, "tau": tau}) @ stored.T
        np.testing.assert_allclose(got, expected, atol=1e-4)
    np.testing.assert_array_equal(model.encode(EXPRESSIONS), model.encode(EXPRESSIONS, blend=model.blend))
    np.testing.assert_array_equal(
        model.encode(EXPRESSIONS, blend={"lambda": 0.2}), model.encode(EXPRESSIONS, blend={"lambda": 0.2, "tau": 0.07})
    )


@pytest.mark.parametrize(
    ("blend", "said"),
    [
        ({"lambda": 1.5}, "lambda must be a number from 0 to 1"),
        ({"tau": 0.0}, "tau must be a number from 0.001"),
        ({"tau": float("nan")}, "tau must be"),
        ({"alpha": 0.5}, "no 'alpha'; it has: lambda, tau"),
    ],
)
def test_wrong_blends_are_refused(rpn, blend, said):
    with pytest.raises(UsageError, match=said):
        load_model(str(rpn), device="cpu").encode(["a dog"], blend=blend)


def test_a_cosine_has_nothing_to_blend(rcnn):
    model = load_model(str(rcnn), device="cpu")
    assert model.blend == {}
    with pytest.raises(UsageError, match="nothing to blend"):
        model.encode(["a dog"], blend={"lambda": 0.5})


def test_a_stored_instance_finds_itself(model, found):
    for instances in found:
        crops = model.crop_vectors(instances.vectors)
        queries = np.stack([model.as_query(vector) for vector in instances.vectors])
        cosines = model.crop_vectors(queries) @ crops.T
        np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)


def test_an_example_crop_is_embedded_whole(rcnn, rpn, pictures):
    for folder in (rcnn, rpn):
        model = load_model(str(folder), device="cpu")
        whole = np.array([[0, 0, pictures[0].width, pictures[0].height]], dtype=np.float32)
        expected = model.encode_boxes(pictures[0], whole)
        np.testing.assert_allclose(model.crop_vectors(model.encode_images(pictures[:1])), expected, atol=1e-5)


def test_words_beyond_the_context_are_told(model):
    text = " ".join(["dog"] * 20)
    (warning,) = model.text_warnings(text)
    dropped = warning.split(": ")[1].split()
    assert set(dropped) == {"dog"}
    assert model.share_read(text) == pytest.approx(1 - len(dropped) / 20)
    assert model.text_warnings("a red dog") == []
    assert model.share_read("a red dog") == 1


def test_equal_models_have_equal_names_and_fingerprints(rcnn, tmp_path):
    plain = load_model(f"rcnn-clip:{rcnn}").identity
    assert load_model(f"rcnn-clip:{rcnn},nms=0.50,pad=0,top=30,resize=squash,size={SIZE}").identity == plain
    assert load_model(str(rcnn)).identity == plain
    tower, weights = save_tiny_tower(tmp_path / "tower"), save_tiny_detector(tmp_path / "detector.safetensors")
    name = f"rcnn-clip:{tower},detector=fasterrcnn_small__{weights},classes={CLASSES},size=96"
    identity = load_model(name).identity
    assert load_model(identity.name).identity == identity


@pytest.mark.parametrize(
    "option",
    [
        *("pad=0.1", "context=0.1", "top=10", "nms=0.4", "score=0.1", "resize=shortest", "size=160"),
        *("precision=bfloat16", "precision=float32", "nms=0.123456789012345"),
    ],
)
def test_every_setting_is_in_the_name_and_the_fingerprint(rcnn, option):
    plain, changed = (load_model(name).identity for name in (f"rcnn-clip:{rcnn}", f"rcnn-clip:{rcnn},{option}"))
    assert changed.name == f"{plain.name},{option}"
    assert load_model(changed.name).identity == changed
    assert changed.fingerprint != plain.fingerprint


def test_weights_are_in_the_fingerprint(tmp_path, rcnn):
    other = save_tiny_model(tmp_path / "other")
    name = f"rcnn-clip:{other}"
    before = load_model(name).identity.fingerprint
    assert before == load_model(f"rcnn-clip:{rcnn}").identity.fingerprint  # the same weights in another folder
    save_tiny_detector(other / "detector.safetensors", seed=1)
    changed = load_model(name).identity.fingerprint
    save_tiny_tower(other / "tower", seed=1)
    assert len({before, changed, load_model(name).identity.fingerprint}) == 3


def test_settings_of_a_folder_are_its_defaults(tmp_path):
    folder = save_tiny_model(tmp_path, settings={"pad": 0.2, "top": 7})
    model = load_model(str(folder), device="cpu")
    assert (model.parts.settings.pad, model.parts.settings.top) == (0.2, 7)
    assert model.identity.name == f"rcnn-clip:{folder}"
    assert len(model.extract([noise_picture(0)])[0]) == 7
    assert load_model(f"rcnn-clip:{folder},pad=0").identity.name == f"rcnn-clip:{folder},pad=0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("pad=-1", "pad must be a number from 0 to 2"),
        ("top=2.5", "top must be a whole number"),
        ("precision=half", "precision must be float32 or bfloat16"),
        ("resize=stretch", "resize must be one of squash, shortest, longest"),
        ("colour=red", "no option 'colour'; it has: classes, context, detector"),
        ("size=10", "size must be a number from 64"),
        ("detector=fasterrcnn_resnet50_fpn", "brings its own detector"),
    ],
)
def test_wrong_options_are_refused(rcnn, options, said):
    with pytest.raises(UsageError, match=said):
        load_model(f"rcnn-clip:{rcnn},{options}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("detector=yolo", "no detector is called 'yolo'"),
        ("detector=fasterrcnn_small", "no public weights. Give a file: detector=fasterrcnn_small__/PATH/FILE"),
        ("detector=fasterrcnn_small__/nowhere/at.all", "there is no file /nowhere/at.all"),
        ("classes=5", "have 91 classes"),
    ],
)
def test_wrong_detectors_are_refused(tmp_path, options, said):
    tower = save_tiny_tower(tmp_path / "tower")
    with pytest.raises(UsageError, match=said):
        load_model(f"rpn-clip:{tower},{options}")


def test_a_tower_may_be_a_file_of_weights(tmp_path, monkeypatch):
    weights = save_tiny_detector(tmp_path / "detector.safetensors")
    (tmp_path / "tower.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    options = f"detector=fasterrcnn_small__{weights.name},classes={CLASSES}"
    identity = load_model(f"rcnn-clip:ViT-B-32__./tower.safetensors,{options}").identity
    assert f"ViT-B-32__{tmp_path}/tower.safetensors" in identity.name
    assert f"detector=fasterrcnn_small__{weights}" in identity.name
    assert identity.dimension == 512
    monkeypatch.chdir("/")
    assert load_model(identity.name).identity == identity


def test_wrong_folders_are_refused(tmp_path, rcnn):
    with pytest.raises(UsageError, match=f"Name it so: rcnn-clip:{rcnn}"):
        load_model(f"rpn-clip:{rcnn}")
    with pytest.raises(UsageError, match=r"has no open_clip_config\.json"):
        load_model(f"rcnn-clip:{tmp_path}")
    (tmp_path / "config.json").write_text('{"model": "rcnn-clip"}')
    with pytest.raises(UsageError, match="is not the configuration of a detector"):
        load_model(f"rcnn-clip:{tmp_path}")
    config = json.loads((rcnn / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "predictor": {"scale": 20.0}}))
    with pytest.raises(UsageError, match="is not the configuration of a detector"):
        load_model(f"rcnn-clip:{tmp_path}")


def test_public_weights_that_are_not_here_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    tower = save_tiny_tower(tmp_path / "tower")
    with pytest.raises(WeightsMissingError) as error:
        load_model(f"rcnn-clip:{tower}")
    file = tmp_path / "hub/checkpoints/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    assert f"curl -fL --create-dirs -o {file} https://download.pytorch.org/models/{file.name}" in str(error.value)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut off")
    with pytest.raises(WeightsMissingError, match="is damaged: its SHA-256 does not begin with 258fb6c6"):
        load_model(f"rcnn-clip:{tower}")


def test_texts_need_neither_detector_nor_torch(rcnn):
    script = (
        "import sys\n"
        "import reir.models.detector_clip, reir.models.towers\n"
        "from reir.models import load_model\n"
        f"model = load_model({str(rcnn)!r}, device='cpu')\n"
        "assert len(model.identity.fingerprint) == 64 and model.decode_side and not model.notice\n"
        "model.encode(['a dog']), model.text_warnings('a dog')\n"
        "assert not {'torch', 'open_clip', 'torchvision', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

"""``sam-clip`` as a model: names, vectors, details, and what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reir.errors import UsageError, WeightsMissingError
from reir.geometry.masks import decode_rle
from reir.models.sam_clip import SamClip, load
from reir.models.sam_clip.crops import black_crop
from reir.models.sam_clip.scores import negative_scores
from reir.models.specification import ModelSpec
from reir.models.towers import ClipTower
from reir.protocols import CropModel, Model
from reir.text import noun_phrases
from reir.types import Picture
from tests.models.sam_clip.conftest import demo_files, pixels_of
from tests.models.sam_clip.tiny_sam import LOOSE, SIDE
from tests.models.towers.tiny_tower import DIMENSION

EXPRESSIONS = ["red dog on the sofa", "a cat", "left lamp"]


def pictures(count: int = 3) -> list[Picture]:
    """Pictures of the demo gallery, reduced: boxes refer to the original."""
    found = []
    for file in demo_files(count):
        pixels = pixels_of(file)
        found.append(Picture(pixels[::4, ::4].copy(), pixels.shape[1], pixels.shape[0]))
    return found


def named(name: str) -> SamClip:
    return load(ModelSpec.parse(name), device="cpu")


def test_it_is_a_model_and_a_crop_model(model: SamClip, captioned_model: SamClip) -> None:
    for each in (model, captioned_model):
        described: Model = each
        assert isinstance(described, CropModel)
        assert described.decode_side == SIDE
        assert described.notice is None
        assert described.calibration is None
    assert model.identity.dimension == DIMENSION
    assert captioned_model.identity.dimension == 2 * DIMENSION + 1
    assert dict(model.blend) == {}
    assert dict(captioned_model.blend) == {"alpha": 0.1, "lambda": 0.7}


def test_vectors_are_those_of_masked_crops(model: SamClip, parts: Path) -> None:
    tower = ClipTower.load(str(parts / "tower"), device="cpu")
    for picture, instances in zip(pictures(), model.extract(pictures()), strict=True):
        assert len(instances) > 3
        assert instances.details is not None
        scale = picture.width / picture.pixels.shape[1], picture.height / picture.pixels.shape[0]
        for box, vector, detail in zip(instances.boxes, instances.vectors, instances.details, strict=True):
            assert set(detail) == {"mask"}
            mask = decode_rle(detail["mask"])
            assert mask.shape == picture.pixels.shape[:2]
            rows, columns = np.nonzero(mask)
            own = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=np.float32)
            np.testing.assert_allclose(box, own * np.array([*scale, *scale]), rtol=1e-5)
            np.testing.assert_allclose(
                vector, tower.encode_pixels([black_crop(picture.pixels, mask, own)])[0], atol=1e-5
            )
    np.testing.assert_allclose(model.encode(EXPRESSIONS), tower.encode_texts(EXPRESSIONS), atol=1e-6)


def test_scores_with_captions_are_v_plus_alpha_p_plus_lambda_n(captioned_model: SamClip) -> None:
    queries = captioned_model.encode_texts(EXPRESSIONS)
    said = 0
    for instances in captioned_model.extract(pictures()):
        assert instances.details is not None
        crops = captioned_model.crop_vectors(instances.vectors)
        for vector, crop, detail in zip(instances.vectors, crops, instances.details, strict=True):
            json.dumps(detail, allow_nan=False)
            phrases = detail["phrases"]
            said += len(phrases)
            v_score = queries @ crop
            p_score = queries @ captioned_model.encode_texts([detail["caption"]])[0]
            cosines = captioned_model.encode_texts(phrases) @ crop
            n_score = -cosines.mean() if phrases else 0.0
            np.testing.assert_allclose(detail["phrase_cosines"], cosines, atol=1e-5)
            for alpha, weight in [(0.1, 0.7), (0.0, 0.0), (1.0, 0.0), (0.4, 1.0), (-0.5, 2.0)]:
                asked = captioned_model.encode(EXPRESSIONS, blend={"alpha": alpha, "lambda": weight})
                wanted = v_score + alpha * p_score + weight * n_score
                np.testing.assert_allclose(asked @ vector, wanted, atol=1e-5)
    assert said > 0


def test_the_default_blend_is_the_papers(captioned_model: SamClip) -> None:
    plain = captioned_model.encode(EXPRESSIONS)
    np.testing.assert_array_equal(plain, captioned_model.encode(EXPRESSIONS, blend={"alpha": 0.1, "lambda": 0.7}))
    np.testing.assert_array_equal(plain, captioned_model.encode(EXPRESSIONS, blend={"lambda": 0.7}))


def test_phrases_are_those_of_the_whole_pictures_caption(captioned_model: SamClip) -> None:
    assert captioned_model._captioner is not None
    for picture, instances in zip(pictures(2), captioned_model.extract(pictures(2)), strict=True):
        (caption,) = captioned_model._captioner.caption([picture.pixels])
        for detail in instances.details or ():
            assert detail["phrases"] == noun_phrases(caption, reader="rules")


def test_a_picture_without_phrases_has_no_negative_score() -> None:
    np.testing.assert_array_equal(negative_scores(np.zeros((3, 0), dtype=np.float32)), np.zeros(3))
    np.testing.assert_allclose(negative_scores(np.array([[0.5, 0.1], [0.2, -0.4]], dtype=np.float32)), [-0.3, 0.1])


def test_pictures_together_equal_pictures_alone(captioned_model: SamClip) -> None:
    together = captioned_model.extract(pictures())
    for picture, instances in zip(pictures(), together, strict=True):
        (alone,) = captioned_model.extract([picture])
        np.testing.assert_array_equal(alone.boxes, instances.boxes)
        np.testing.assert_allclose(alone.vectors, instances.vectors, atol=1e-6)
        assert alone.details == instances.details
    assert captioned_model.extract([]) == []


def test_a_picture_without_masks(captioned: Path) -> None:
    model = named(f"sam-clip:{captioned},iou=1,stability=1")
    (instances,) = model.extract(pictures(1))
    assert len(instances) == 0
    assert instances.vectors.shape == (0, model.identity.dimension)
    assert instances.details == ()


def test_examples_are_compared_with_crops_alone(captioned_model: SamClip) -> None:
    picture = pictures(1)[0]
    (instances,) = captioned_model.extract([picture])
    query = captioned_model.as_query(instances.vectors[1])
    crops = captioned_model.crop_vectors(instances.vectors)
    np.testing.assert_allclose(instances.vectors @ query, crops @ crops[1], atol=1e-5)
    assert int((instances.vectors @ query).argmax()) == 1
    (example,) = captioned_model.encode_images([picture])
    np.testing.assert_array_equal(example[DIMENSION:], 0)
    whole = np.array([[0, 0, picture.width, picture.height]], dtype=np.float32)
    np.testing.assert_allclose(captioned_model.encode_boxes(picture, whole)[0], example[:DIMENSION], atol=1e-6)


def test_stored_vectors_in_half_precision_are_good_queries(captioned_model: SamClip) -> None:
    (instances,) = captioned_model.extract(pictures(1))
    stored = instances.vectors.astype(np.float16).astype(np.float32)
    crops = captioned_model.crop_vectors(stored)
    np.testing.assert_allclose(np.linalg.norm(crops, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(crops, captioned_model.crop_vectors(instances.vectors), atol=1e-3)


def test_texts_too_long_are_told(model: SamClip) -> None:
    long = "red dog on the sofa near the lamp " * 4
    assert model.text_warnings("red dog") == []
    (warning,) = model.text_warnings(long)
    assert warning.endswith("sofa near the lamp")
    assert 0 < model.share_read(long) < 1
    assert model.share_read("red dog") == 1
    assert model.share_read(" ") == 0


def test_no_text_and_no_picture(captioned_model: SamClip) -> None:
    assert captioned_model.encode([]).shape == (0, 2 * DIMENSION + 1)
    assert captioned_model.encode_images([]).shape == (0, 2 * DIMENSION + 1)
    assert captioned_model.crop_vectors(np.zeros((0, 2 * DIMENSION + 1), dtype=np.float32)).shape == (0, DIMENSION)


@pytest.mark.parametrize("blend", [{"tau": 0.1}, {"alpha": float("nan")}, {"lambda": 1e9}])
def test_a_blend_that_cannot_be(captioned_model: SamClip, blend: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(blend))):
        captioned_model.encode(EXPRESSIONS, blend=blend)


def test_nothing_to_blend_without_a_captioner(model: SamClip) -> None:
    with pytest.raises(UsageError, match="nothing to blend"):
        model.encode(EXPRESSIONS, blend={"alpha": 0.1})


def test_equal_models_have_equal_names(captioned: Path, parts: Path) -> None:
    assert named(f"sam-clip:{parts}").identity.name == f"sam-clip:{parts}"
    same = named(f"sam-clip:{parts},top=30,points=8,iou=0.70,captioner=none,sam={parts / 'sam'}")
    assert same.identity == named(f"sam-clip:{parts}").identity
    with_captions = named(f"sam-clip:{captioned},reader=rules").identity
    assert with_captions.name == f"sam-clip:{captioned},reader=rules"
    assert named(with_captions.name).identity == with_captions
    fine = named(f"sam-clip:{parts},iou=0.123456789012345").identity
    assert fine.name == f"sam-clip:{parts},iou=0.123456789012345"
    assert named(fine.name).identity == fine
    assert named(f"sam-clip:{captioned},captioner=none").identity.name == f"sam-clip:{captioned},captioner=none"


def test_parts_can_be_named_one_by_one(captioned: Path) -> None:
    sam, captioner = captioned / "sam", captioned / "captioner"
    alone = named(f"sam-clip:{captioned / 'tower'},sam={sam},captioner={captioner},reader=rules").identity
    together = named(f"sam-clip:{captioned},reader=rules").identity
    assert alone.name == f"sam-clip:{captioned / 'tower'},captioner={captioner},reader=rules,sam={sam}"
    assert alone.fingerprint == together.fingerprint


def test_everything_that_changes_vectors_changes_the_fingerprint(captioned: Path) -> None:
    names = ["", ",points=4", ",iou=0.5", ",stability=0.5", ",nms=0.5", ",top=5", ",resize=shortest", ",captioner=none"]
    prints = {named(f"sam-clip:{captioned}{options}").identity.fingerprint for options in names}
    assert len(prints) == len(names)


def test_other_weights_are_another_model(parts: Path, captioned: Path) -> None:
    others = f"sam-clip:{parts / 'tower'},sam={captioned / 'sam'}"
    assert named(others).identity.fingerprint != named(f"sam-clip:{parts}").identity.fingerprint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("pionts=8", "has no option 'pionts'"),
        ("points=0", "points must be a number from 1 to 128"),
        ("points=2.5", "points must be a whole number"),
        ("iou=2", "iou must be"),
        ("resize=stretch", "resize must be one of"),
        ("reader=rules", "leave reader= out"),
        ("sam=/nowhere/at/all", "there is no such folder"),
        ("captioner=blip", "names no repository"),
    ],
)
def test_options_that_cannot_be(parts: Path, options: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        named(f"sam-clip:{parts},{options}")


def test_a_folder_of_another_network(parts: Path, captioned: Path) -> None:
    with pytest.raises(UsageError, match="kind 'blip'; there are: sam"):
        named(f"sam-clip:{parts},sam={captioned / 'captioner'}")
    with pytest.raises(UsageError, match="no configuration of transformers"):
        named(f"sam-clip:{parts},sam={parts}")


def test_weights_that_are_not_here(parts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissingError, match="facebook/sam-vit-base"):
        named(f"sam-clip:{parts / 'tower'}")
    with pytest.raises(WeightsMissingError, match="Salesforce/blip-image-captioning-base"):
        named(f"sam-clip:{parts},captioner=Salesforce/blip-image-captioning-base")


def test_naming_a_model_imports_nothing_heavy(captioned: Path) -> None:
    code = (
        "import sys\n"
        "from reir.models.sam_clip import load\n"
        "from reir.models.specification import ModelSpec\n"
        f"model = load(ModelSpec.parse({f'sam-clip:{captioned},{LOOSE}'!r}), device='cpu')\n"
        "model.identity\n"
        "print([name for name in ('torch', 'transformers', 'open_clip', 'spacy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""TAS as a stage: equations by hand, stored form against the index's inner product, pixels against what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reir import Gallery
from reir.errors import UsageError, WeightsMissingError
from reir.geometry.masks import decode_rle, resize_rle
from reir.models.sam_clip import SamClip
from reir.models.sam_clip import load as load_sam_clip
from reir.models.sam_clip.captioner import Captioner
from reir.models.sam_clip.crops import black_crop
from reir.models.specification import ModelSpec
from reir.models.towers import ClipTower
from reir.rerank import PictureLook, load_stage
from reir.rerank.tas.scores import Parts, Weights, parts_of, split_phrases
from reir.text import same_thing, subject_of
from reir.types import FloatArray, Hit, Instances, Picture
from tests.grid_colour_model import GridColourModel
from tests.models.sam_clip.conftest import demo_files, pixels_of
from tests.models.sam_clip.tiny_sam import LOOSE, SIDE, save_tiny_parts, save_tiny_sam

EXPRESSIONS = ("red dog on the sofa", "the big cat", "left lamp", "a hat", "far left", "black table near a plate")
FLOAT16 = 2e-3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_parts(tmp_path_factory.mktemp("parts"), captioner="blip", seed=1)


@pytest.fixture(scope="module")
def model(folder: Path) -> SamClip:
    return load_sam_clip(ModelSpec.parse(f"sam-clip:{folder},{LOOSE}"), device="cpu")


@pytest.fixture(scope="module")
def gallery(model: SamClip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    root = tmp_path_factory.mktemp("gallery")
    for file in demo_files(5):
        (root / file.name).write_bytes(file.read_bytes())
    with Gallery.create(root, model=model) as made:
        made.add([root], workers=0)
        yield made


def look_at(picture: Picture, instances: Instances, model: SamClip) -> tuple[PictureLook, list[Hit]]:
    """One picture's look, and its instances as hits."""
    hits = [
        Hit(
            *(row + 1, 0.0, 1, "a.jpg", picture.width, picture.height),
            box=tuple(box.tolist()),
            objectness=float(objectness),
            instance_id=row,
        )
        for row, (box, objectness) in enumerate(zip(instances.boxes, instances.objectness, strict=True))
    ]
    return PictureLook(lambda _: picture, instances, model), hits


def seen(model: SamClip, number: int = 0) -> tuple[Picture, Instances]:
    """A picture of the demo gallery as the indexer decodes it for the model, and what the model finds."""
    pixels = pixels_of(demo_files(number + 1)[number])
    step = max(pixels.shape[:2]) // SIDE
    picture = Picture(pixels[::step, ::step].copy(), pixels.shape[1], pixels.shape[0])
    return picture, model.extract([picture])[0]


def test_the_score_by_hand() -> None:
    cosines = np.array([0.5, 0.1, -0.3], dtype=np.float32)
    parts = parts_of(0.4, 0.2, ["a dog", "the sofa", "two lamps"], cosines, subject="couch", similarity=1.0)
    assert parts.left_out == ("the sofa",)
    assert parts.n == pytest.approx(-(0.5 - 0.3) / 2)
    assert parts.total(0.1, 0.7) == pytest.approx(0.4 + 0.1 * 0.2 - 0.7 * 0.1)
    note = parts.note(0.35)
    assert (note["left_out"], "why" in note) == (["the sofa"], False)
    everything = parts_of(0.4, 0.2, ["a dog", "two dogs"], cosines[:2], subject="dog", similarity=1.0)
    assert (everything.n, everything.left_over) == (0.0, 0)
    assert "means the subject" in everything.note(0.42)["why"]
    nothing = parts_of(0.4, 0.2, [], cosines[:0], subject="dog", similarity=1.0)
    assert "no noun phrase" in nothing.note(0.42)["why"]
    alone = Parts(0.4)
    assert alone.total(0.1, 0.7) == 0.4
    assert "captioner" in alone.note(0.4)["why"]


def test_only_phrases_that_mean_the_subject_are_left_out() -> None:
    phrases = ("a young man", "a man", "the woman", "a red shirt")
    assert split_phrases(phrases, "boy", 1.0) == ((0, 1, 2, 3), ())  # the paper's example
    assert split_phrases(phrases, "men", 1.0) == ((2, 3), ("a young man", "a man"))
    assert split_phrases(phrases, None, 1.0) == ((0, 1, 2, 3), ())
    assert set(split_phrases(phrases, "boy", 0.3)[1]) >= {"a young man", "a man"}


def test_weights_are_the_stages_then_the_searches_then_the_papers() -> None:
    assert Weights().of_search({}) == (0.1, 0.7)
    assert Weights().of_search({"alpha": 0.3, "lambda": 0.5}) == (0.3, 0.5)
    assert Weights(alpha=0.0).of_search({"alpha": 0.3, "lambda": 0.5}) == (0.0, 0.5)


@pytest.mark.parametrize("blend", [None, {"alpha": 1.0, "lambda": 2.0}])
def test_stage_and_inner_product_differ_by_the_phrases_left_out_alone(
    gallery: Gallery, blend: dict[str, float] | None
) -> None:
    mix = {"alpha": 0.1, "lambda": 0.7, **(blend or {})}
    equal = different = 0
    for expression in EXPRESSIONS:
        first = {hit.instance_id: hit for hit in gallery.search(expression, top=100, flat=True, blend=blend).hits}
        after = gallery.search(expression, top=100, flat=True, rerank=["tas"], blend=blend).hits
        assert {hit.instance_id for hit in after} == set(first)
        assert [hit.score for hit in after] == sorted((hit.score for hit in after), reverse=True)
        with gallery.reading() as snapshot:
            known = snapshot.details([hit.instance_id for hit in after])
        noun = subject_of(expression, reader="rules").noun
        for hit, detail in zip(after, known, strict=True):
            note = hit.stages["tas"]
            left_out = [phrase for phrase in detail["phrases"] if noun and same_thing(phrase, noun)]
            assert note["left_out"] == left_out
            assert note["caption"] == detail["caption"]
            kept = [
                cosine
                for phrase, cosine in zip(detail["phrases"], detail["phrase_cosines"], strict=True)
                if phrase not in left_out
            ]
            of_all = -float(np.mean(detail["phrase_cosines"])) if detail["phrases"] else 0.0
            exact = -float(np.mean(kept)) if kept else 0.0
            assert note["n"] == pytest.approx(exact, abs=1e-6)
            assert hit.score == pytest.approx(
                note["v"] + mix["alpha"] * note["p"] + mix["lambda"] * note["n"], abs=1e-6
            )
            tolerance = FLOAT16 * (1 + mix["alpha"] + mix["lambda"])
            difference = mix["lambda"] * (exact - of_all)
            assert hit.score - first[hit.instance_id].score == pytest.approx(difference, abs=tolerance)
            equal += not left_out
            different += bool(left_out) and abs(difference) > 2 * tolerance
    assert equal > 50
    assert different > 5


def test_own_weights_replace_those_of_the_search(gallery: Gallery) -> None:
    hits = gallery.search("a dog", top=20, flat=True, rerank=["tas:alpha=2,lambda=0"], blend={"alpha": 0.5}).hits
    for hit in hits:
        note = hit.stages["tas"]
        assert hit.score == pytest.approx(note["v"] + 2 * note["p"], abs=1e-6)


@pytest.mark.parametrize("number", [0, 1])
def test_pixels_give_what_is_stored(model: SamClip, folder: Path, number: int) -> None:
    picture, instances = seen(model, number)
    look, hits = look_at(picture, instances, model)
    stage = load_stage(f"tas:{folder / 'tower'},captioner={folder / 'captioner'},reader=rules", "rerank", device="cpu")
    stage.check(GridColourModel())
    for expression in EXPRESSIONS[:3]:
        plain = load_stage("tas", "rerank").look(expression, hits, look)
        from_pixels = stage.look(expression, hits, look)
        assert len(plain) > 3
        for stored, made in zip(plain, from_pixels, strict=True):
            told, again = stored.stages["tas"], made.stages["tas"]
            assert again["mask"] == "stored"
            assert (again["caption"], again["left_out"]) == (told["caption"], told["left_out"])
            assert [again[part] for part in "vpn"] == pytest.approx([told[part] for part in "vpn"], abs=1e-4)
            assert made.score == pytest.approx(stored.score, abs=1e-4)


def test_a_batch_gives_what_single_hits_give_and_nothing_is_captioned_twice(
    model: SamClip, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, instances = seen(model, 2)
    captioned = 0
    caption = Captioner.caption

    def counted(self: Captioner, pictures: list[np.ndarray]) -> list[str]:
        nonlocal captioned
        captioned += len(pictures)
        return caption(self, pictures)

    monkeypatch.setattr(Captioner, "caption", counted)
    name = f"tas:{folder / 'tower'},captioner={folder / 'captioner'}"
    look, hits = look_at(picture, instances, model)
    stage = load_stage(name, "rerank", device="cpu")
    together = stage.look("the big cat", hits, look)
    assert 1 < captioned <= len(hits) + 1
    before = captioned
    stage.look("a red lamp", hits, look)
    assert captioned == before
    alone = load_stage(name, "rerank", device="cpu")
    for hit, batched in zip(hits, together, strict=True):
        (single,) = alone.look("the big cat", [hit], look)
        assert single.stages["tas"]["caption"] == batched.stages["tas"]["caption"]
        assert single.score == pytest.approx(batched.score, abs=1e-5)
    assert stage.look("the big cat", [], look) == []


def test_what_is_ready_is_not_made_ready_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search prepares a stage each time, before its time begins."""
    stage = load_stage(f"tas:{folder / 'tower'},captioner={folder / 'captioner'}", "rerank", device="cpu")
    encoded = 0
    encode = ClipTower.encode_pixels

    def counted(self: ClipTower, crops: list[np.ndarray]) -> FloatArray:
        nonlocal encoded
        encoded += len(crops)
        return encode(self, crops)

    monkeypatch.setattr(ClipTower, "encode_pixels", counted)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(stage.prepare) for _ in range(3)]:  # type: ignore[attr-defined]
            done.result()
    assert encoded == 1


@pytest.mark.parametrize("masks", ["box", "sam"])
def test_other_masks(model: SamClip, folder: Path, tmp_path: Path, masks: str) -> None:
    picture, instances = seen(model)
    look, hits = look_at(picture, instances, model)
    hits = [replace(hits[0], box=(0.0, 0.0, float(picture.width), float(picture.height))), *hits[:4]]
    boxed = save_tiny_sam(tmp_path / "sam", seed=4)  # answers boxes, where that of the parts answers points alone
    sam = f",sam={boxed}" if masks == "sam" else ""
    name = f"tas:{folder / 'tower'},captioner=none,masks={masks}{sam}"
    stage = load_stage(name, "rerank", device="cpu")
    tower = ClipTower.load(str(folder / "tower"), device="cpu")
    query = tower.encode_texts(["a cat"])[0]
    asked = load_stage(f"sam:{boxed}", "mask", device="cpu").look("", hits, look)
    width = picture.pixels.shape[1]
    for hit, prompted in zip(stage.look("a cat", hits, look), asked, strict=True):
        note = hit.stages["tas"]
        box = np.round(np.array(hit.box) * width / picture.width).astype(np.float32)
        x0, y0, x1, y1 = box.astype(int)
        crop = picture.pixels[y0:y1, x0:x1]
        if note["mask"] == "sam":
            assert prompted.mask is not None
            crop = black_crop(picture.pixels, decode_rle(resize_rle(prompted.mask, *picture.pixels.shape[1::-1])), box)
        assert note["v"] == pytest.approx(float(tower.encode_pixels([crop])[0] @ query), abs=1e-4)
        assert (note["p"], note["n"], hit.score) == (None, None, note["v"])
        assert "captioner" in note["why"]
    assert masks in {hit.stages["tas"]["mask"] for hit in stage.look("a cat", hits, look)}


def test_a_box_beyond_the_picture_is_cut_to_it(model: SamClip, folder: Path) -> None:
    picture, instances = seen(model)
    look, hits = look_at(picture, instances, model)
    width, height = float(picture.width), float(picture.height)
    stage = load_stage(f"tas:{folder / 'tower'},captioner=none,masks=box", "rerank", device="cpu")
    boxes = ((width, height, width, height), (-9.0, -9.0, 0.0, 0.0), (-50.0, -50.0, 2 * width, 2 * height))
    odd = [Hit(1, 0.0, 1, "a.jpg", picture.width, picture.height, box, 0.5, 0) for box in boxes]
    assert all(np.isfinite(hit.score) for hit in stage.look("a cat", odd, look))
    assert hits


def test_what_cannot_be(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"has stored none.*captioner=NAME"):
        load_stage("tas", "rerank").check(GridColourModel())
    plain = load_sam_clip(ModelSpec.parse(f"sam-clip:{folder},captioner=none"), device="cpu")
    with pytest.raises(UsageError, match="has stored none"):
        load_stage("tas:alpha=0.2", "rerank").check(plain)
    tower = folder / "tower"
    with pytest.raises(WeightsMissingError, match="reir models download Salesforce/blip-image-captioning-base"):
        load_stage(f"tas:{tower}", "rerank").check(plain)
    with pytest.raises(WeightsMissingError, match="reir models download facebook/sam-vit-large"):
        load_stage(f"tas:{tower},captioner=none,masks=sam,sam=large", "rerank").check(plain)
    with pytest.raises(UsageError, match="kind 'sam'"):
        load_stage(f"tas:{tower},captioner={folder / 'sam'}", "rerank").check(plain)
    with pytest.raises(UsageError, match="masks=sam"):
        load_stage(f"tas:{tower},sam=base", "rerank")
    for wrong in ("tas:alpha=99", "tas:blur=1", f"tas:{tower},masks=none", "tas:similarity=0"):
        with pytest.raises(UsageError, match="tas"):
            load_stage(wrong, "rerank")

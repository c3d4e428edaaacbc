"""Batches of photographs: boxes stay on their objects whatever is done to the picture, and labels say what is known."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reir.errors import DatasetError
from reir.text import WordTokenizer
from reir.training.batch import GALLERY, PICTURE, Batch
from reir.training.photos import PhotoBatches, PhotoConfig, PhotoSource
from reir.training.photos.config import Task
from tests.training.photos.conftest import BLUE, GREEN, RED, YELLOW, write


def config_of(file: str, task: Task = "rec", **changes: Any) -> PhotoConfig:
    base = {"pictures": 2, "short_side": (64, 128), "long_side": 200, "crop_side": (0.5, 1.0)}
    source = {key: changes.pop(key) for key in ("boxes", "images") if key in changes}
    return PhotoConfig(sources=(PhotoSource(file=file, task=task, **source),), **base | changes)


def equal(one: Batch, other: Batch) -> bool:
    names = ("pixels", "boxes_cxcywh", "object_picture", "token_ids", "text_picture", "labels", "padding", "complete")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def nearest_colour(batch: Batch, g: int) -> tuple[int, int, int]:
    """The painted colour at the middle of an object's box."""
    height, width = batch.pixels.shape[1:3]
    x, y = batch.boxes_cxcywh[g, 0].item() * width, batch.boxes_cxcywh[g, 1].item() * height
    seen = batch.pixels[batch.object_picture[g], int(y), int(x)].numpy().astype(int)
    return min((RED, GREEN, BLUE, YELLOW), key=lambda colour: int(np.abs(seen - np.array(colour)).sum()))


def test_a_batch_is_a_function_of_the_seed_and_its_number(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    config = config_of(write(folder, content))
    whole = PhotoBatches(config, tokenizer=tokenizer, seed=5, steps=12)
    resumed = PhotoBatches(config, tokenizer=tokenizer, seed=5, steps=20)
    assert equal(resumed[7], whole[7])
    assert equal(pickle.loads(pickle.dumps(whole))[3], whole[3])  # as a worker that is spawned has it
    other = PhotoBatches(config, tokenizer=tokenizer, seed=6, steps=12)
    assert not all(
        one.pixels.shape == two.pixels.shape and torch.equal(one.pixels, two.pixels)
        for one, two in ((whole[i], other[i]) for i in range(3))
    )
    assert len(whole) == 12


def test_boxes_stay_on_their_objects(folder: Path, content: dict[str, Any], tokenizer: WordTokenizer) -> None:
    """With windows, mirroring and every scale: the colour under the middle of a box is that of its texts."""
    config = config_of(write(folder, content), "detection", crop=1.0, flip=0.5)
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=1, steps=30)
    of_category = {"cat": {RED}, "dog": {GREEN, BLUE}, "cup": {YELLOW}}
    seen = 0
    for batch in (batches[i] for i in range(30)):
        assert batch.padding is not None
        assert batch.pixels.shape[1] % 64 == batch.pixels.shape[2] % 64 == 0
        edges = batch.boxes_cxcywh[:, :2].repeat(1, 2) + batch.boxes_cxcywh[:, 2:].repeat(1, 2) / 2 * torch.tensor(
            [-1, -1, 1, 1]
        )
        size = torch.tensor(batch.pixels.shape[2:0:-1]).repeat(2)
        for g, (x0, y0, x1, y1) in enumerate((edges * size).tolist()):
            inside = ~batch.padding[batch.object_picture[g]]
            assert -0.01 <= x0 < x1 <= inside.any(0).sum() + 0.01
            assert -0.01 <= y0 < y1 <= inside.any(1).sum() + 0.01
            for q in (batch.labels[:, g] == 1).nonzero().flatten().tolist():
                word = tokenizer._tokenizer.id_to_token(int(batch.token_ids[q, 0]))
                assert nearest_colour(batch, g) in of_category[word]
                seen += 1
    assert seen > 100


def words_of(batch: Batch, tokenizer: WordTokenizer) -> list[str]:
    return [
        " ".join(tokenizer._tokenizer.id_to_token(int(i)) for i in ids[mask])
        for ids, mask in zip(batch.token_ids, batch.token_mask, strict=True)
    ]


def test_left_and_right_change_places_with_the_picture(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    file = write(folder, content)
    sides: Counter[tuple[str, bool]] = Counter()
    for words in (True, False):
        config = config_of(file, flip=0.5, crop=0.0, mirror_words=words)
        batches = PhotoBatches(config, tokenizer=tokenizer, seed=2, steps=40)
        for batch in (batches[i] for i in range(40)):
            for q, text in enumerate(words_of(batch, tokenizer)):
                if "box" in text:
                    g = int((batch.labels[q] == 1).nonzero().flatten()[0])
                    width = int((~batch.padding[batch.object_picture[g]]).any(0).sum())  # type: ignore[index]
                    left = batch.boxes_cxcywh[g, 0].item() * batch.pixels.shape[2] < width / 2
                    assert not words or left == ("left" in text)
                    sides["kept" if not words else "swapped", left] += 1
    assert all(sides[way, left] >= 3 for way in ("kept", "swapped") for left in (True, False))


def test_no_window_where_a_text_says_a_position(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    for annotation in content["annotations"]:
        if "expressions" in annotation:
            annotation["expressions"] = [f"second thing from left {annotation['id']}".replace("1", "one")]
    config = config_of(write(folder, content), crop=1.0, crop_side=(0.5, 0.6), pictures=1)
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=24)
    counts = Counter(len(batches[i].boxes_cxcywh) for i in range(24))
    assert set(counts) <= {1, 2, 3}
    shares = [batches[i].boxes_cxcywh for i in range(24)]
    uncut = config_of(write(folder, content), crop=0.0, pictures=1)
    whole = PhotoBatches(uncut, tokenizer=tokenizer, seed=0, steps=24)
    assert all(torch.equal(one, whole[i].boxes_cxcywh) for i, one in enumerate(shares))


@pytest.mark.parametrize(("task", "elsewhere"), [("rec", 0), ("reir", -1)])
def test_labels_of_expressions(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer, task: Task, elsewhere: int
) -> None:
    config = config_of(write(folder, content), task, pictures=3, crop=0.0, flip=0.0, instances=2)
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=20)
    shared = 0
    for batch in (batches[i] for i in range(20)):
        assert batch.text_reach is not None
        assert set(batch.text_reach.tolist()) == {PICTURE if task == "rec" else GALLERY}
        for q, text in enumerate(words_of(batch, tokenizer)):
            own = batch.object_picture == batch.text_picture[q]
            label = batch.labels[q]
            assert (label[own] == 1).sum() == 1
            assert set(label[own].tolist()) <= {1, -1}
            for g in (~own).nonzero().flatten().tolist():
                same = text == "red thing" and nearest_colour(batch, g) == RED
                assert label[g] == (1 if same else elsewhere)
                shared += same
    # The third picture is tall, so that it shares no batch with the others: nothing to share.
    assert shared == 0


def test_one_text_of_two_objects_is_true_of_both(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    for annotation in content["annotations"]:
        annotation["expressions"] = ["The thing."] if annotation["image_id"] != 1 else ["thing"]
    config = config_of(write(folder, content), "reir", pictures=3)
    batch = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=1)[0]
    assert (batch.labels == 1).all()


def test_categories(folder: Path, content: dict[str, Any], tokenizer: WordTokenizer) -> None:
    file = write(folder, content)
    batches = PhotoBatches(config_of(file, "detection", crop=0.0, boxes="all"), tokenizer=tokenizer, seed=0, steps=8)
    for batch in (batches[i] for i in range(8)):
        words = words_of(batch, tokenizer)
        for b in range(len(batch.pixels)):
            mine = [q for q in range(len(words)) if batch.text_picture[q] == b]
            assert sorted(words[q] for q in mine) == ["bus", "cat", "cup", "dog", "tree"]
            own = batch.object_picture == b
            assert (batch.labels[mine][:, own] == 1).sum(0).tolist() == [1] * int(own.sum())
            assert set(batch.labels[mine][:, ~own].flatten().tolist()) <= {0, 1}
            absent = [q for q in mine if words[q] in ("tree", "bus")]
            assert (batch.labels[absent][:, own] == -1).all()
    few = PhotoBatches(config_of(file, "detection", categories=2), tokenizer=tokenizer, seed=0, steps=4)
    assert all(max(Counter(few[i].text_picture.tolist()).values()) == 2 for i in range(4))
    unknown = PhotoBatches(config_of(file, "detection", boxes="referred"), tokenizer=tokenizer, seed=0, steps=4)
    for batch in (unknown[i] for i in range(4)):
        assert not {"tree", "bus"} & set(words_of(batch, tokenizer))
        assert batch.complete is not None
        assert not batch.complete.any()


def test_a_crowd_is_neither_object_nor_background(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    content["annotations"][2]["iscrowd"] = 1
    config = config_of(write(folder, content), "detection", boxes="all", crop=0.0, pictures=1)
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=8)
    found = [(len(batch.boxes_cxcywh), batch.complete.tolist()) for batch in (batches[i] for i in range(8))]  # type: ignore[union-attr]
    assert Counter(map(str, found)) == Counter({"(2, [False])": 2, "(2, [True])": 2, "(1, [True])": 4})


def test_a_damaged_picture_gives_its_place_to_another(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    file = write(folder, content)
    damaged = folder / "images/second.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    batches = PhotoBatches(config_of(file), tokenizer=tokenizer, seed=0, steps=8)
    with pytest.warns(UserWarning, match=r"second\.png"):
        first = [batches[i] for i in range(8)]
    again = PhotoBatches(config_of(file), tokenizer=tokenizer, seed=0, steps=8)
    with pytest.warns(UserWarning, match="left out of training"):
        assert all(equal(again[i], batch) for i, batch in reversed(list(enumerate(first))))
    assert not any("blue" in text for batch in first for text in words_of(batch, tokenizer))
    content["images"][3]["width"] += 1
    other = PhotoBatches(config_of(write(folder, content)), tokenizer=tokenizer, seed=0, steps=8)
    with pytest.warns(UserWarning, match="its boxes are for 151x100"):
        assert all(len(other[i].pixels) for i in range(8))


def test_a_folder_of_damaged_pictures_is_an_error(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    batches = PhotoBatches(config_of(write(folder, content)), tokenizer=tokenizer, seed=0, steps=1)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(DatasetError, match="in a row"):
        batches[0]


def test_what_cannot_be_trained_on_is_said_at_the_start(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    def refused(message: str, **changes: Any) -> None:
        with pytest.raises(DatasetError, match=message):
            PhotoBatches(config_of(write(folder, content), **changes), tokenizer=tokenizer, seed=0, steps=1)

    refused("there is no picture", images=folder / "elsewhere")
    content["annotations"] += [content["annotations"][0] | {"id": 1000 + i} for i in range(200)]
    content["annotations"].append({"id": 7, "image_id": 77})
    with pytest.warns(UserWarning, match="1 malformed entries, which are left out"):
        PhotoBatches(config_of(write(folder, content)), tokenizer=tokenizer, seed=0, steps=1)
    del content["annotations"][-201:]
    content["annotations"][0]["bbox"] = [1, 2]
    refused("1 malformed entries")
    for annotation in content["annotations"]:
        annotation.pop("expressions", None)
        annotation["bbox"] = [1, 2, 3, 4]
    refused("no expressions, which task 'rec' needs")
    content["categories"] = []
    refused("no objects with categories", task="detection")


def test_a_picture_without_texts_still_makes_a_batch(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    config = config_of(write(folder, content), crop=1.0, crop_side=(0.1, 0.15), pictures=1)
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=40)
    empty = [batch for batch in (batches[i] for i in range(40)) if not len(batch.token_ids)]
    assert empty
    assert empty[0].labels.shape == (0, len(empty[0].boxes_cxcywh))
    assert empty[0].token_ids.ndim == 2


def test_the_smoke_form_needs_no_files(tokenizer: WordTokenizer) -> None:
    config = PhotoConfig(
        sources=(
            PhotoSource(file="nowhere.json", task="detection"),
            PhotoSource(file="neither.json", task="reir", weight=2.0),
        )
    ).smoke()
    batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=4)
    assert max(batches[0].pixels.shape) <= 192
    assert all(len(batches[i].pixels) == 2 for i in range(4))


def test_boxes_of_a_detection_file_complete_a_file_of_expressions(
    folder: Path, content: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    for number, image in enumerate(content["images"]):
        (folder / "images" / image["file_name"]).rename(folder / "images" / f"{number:012d}.jpg")
        image["file_name"] = f"{number:012d}.jpg"
    everything = write(folder, content, "instances.json")
    content["annotations"] = [record for record in content["annotations"] if "expressions" in record]
    referred = write(folder, content)

    def boxes(**source: Any) -> list[tuple[int, bool]]:
        config = config_of(referred, "reir", pictures=1, crop=0.0).model_copy(
            update={"sources": (PhotoSource(file=referred, task="reir", **source),)}
        )
        batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=4)
        return sorted((len(b.boxes_cxcywh), bool(b.complete.all())) for b in (batches[i] for i in range(4)))  # type: ignore[union-attr]

    assert boxes() == [(1, False), (1, False), (2, False), (2, False)]
    assert boxes(objects=everything, boxes="referred") == [(1, True), (1, True), (2, True), (3, True)]
    with pytest.raises(DatasetError, match="does not have"):
        boxes(objects="demo")

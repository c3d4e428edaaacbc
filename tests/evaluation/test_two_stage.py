"""Two-stage systems against loops over every picture and box, and against figures known by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reir.errors import ModelMismatchError, UsageError
from reir.evaluation import OneStage, TwoStage, evaluate_system, format_report
from reir.store import FileFacts, Index
from reir.types import ModelIdentity
from tests.evaluation.gallery import make_index, write_dataset
from tests.evaluation.test_against_plain import DIMENSION, IMAGES, DictionaryModel, random_instances
from tests.evaluation.test_against_plain import write_dataset as write_random_dataset
from tests.grid_colour_model import GridColourModel
from tests.metrics.plain import iou

KS, IOUS = (1, 2, 5), (0.5, 0.7)


class Retriever(DictionaryModel):
    identity = ModelIdentity("retriever", "2", DIMENSION)


def index_of(folder, rng, model, counts):
    """An index of all pictures with so many random instances each, as coarse as to tie often."""
    index = Index.create(folder / "images", db=folder / model.identity.name, model=model.identity)
    with index.writer() as writer:
        for i, count in enumerate(counts):
            facts = FileFacts(f"{i}.png", size=1, mtime_ns=1, content_hash=f"{i}", width=100, height=100)
            writer.add(facts, random_instances(rng, count))
        writer.commit()
    return index


def contents(snapshot):
    """Vectors and boxes by file name."""
    return {
        row.path: (block.vectors, [tuple(box) for box in block.boxes.tolist()])
        for row in snapshot.all_images()
        for block in (snapshot.instances_of(row.image_id),)
    }


class Plain:
    """The definitions of docs/metrics.md, one query at a time."""

    def __init__(self, pictures, retriever, instances, model, depth):
        self.pictures, self.retriever, self.depth = pictures, retriever, depth
        self.instances, self.model = instances, model

    def order(self, query, welcome):
        """Pictures by their best vector, of equal ones those last that are ``welcome``; without any they have none."""
        scores = {
            name: (vectors @ self.retriever.vectors[query.text]).max()
            for name, (vectors, _) in self.pictures.items()
            if len(vectors)
        }
        return sorted(scores, key=lambda name: (-scores[name], name in welcome))

    def overlap(self, query, name):
        """IoU of the best box of a picture with the truth in it, of several best ones the worst."""
        vectors, boxes = self.instances[name]
        if not len(vectors):
            return 0.0
        scores = vectors @ self.model.vectors[query.text]
        truths = [target.box for target in query.targets if target.file_name == name]
        tied = [box for box, score in zip(boxes, scores, strict=True) if score == scores.max()]
        return min(max((iou(box, truth) for truth in truths), default=0.0) for box in tied)

    def found(self, query, k, tau):
        good = {target.file_name for target in query.targets}
        good = {name for name in good if self.overlap(query, name) > tau}
        return any(name in good for name in self.order(query, good)[: min(k, self.depth or k)])

    def image_found(self, query, k):
        return query.file_name in self.order(query, {query.file_name})[:k]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("depth", [None, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_equals_the_plain_loops(tmp_path, seed, depth, whole):
    rng = np.random.default_rng(seed)
    data = write_random_dataset(tmp_path, rng)
    texts = [query.text for query in (*data.queries, *data.ambiguous)]
    retriever, model = (
        kind({text: rng.integers(-2, 3, DIMENSION).astype(np.float32) for text in texts})
        for kind in (Retriever, DictionaryModel)
    )
    # A tower has one vector a picture; another model ranks pictures by the best of its own, and may have none of some.
    counts = [1] * IMAGES if whole else rng.integers(0, 4, IMAGES).tolist()
    first = index_of(tmp_path, rng, retriever, counts)
    second = index_of(tmp_path, rng, model, rng.integers(0, 5, IMAGES).tolist())
    with first.snapshot() as pictures, second.snapshot() as instances:
        system = TwoStage(pictures, retriever, instances, model, depth=depth)
        record = evaluate_system(system, data, ks=KS, ious=IOUS).to_json()
        by_tower = evaluate_system(OneStage(pictures, retriever), data, task="tir", ks=KS).to_json()
        inside = evaluate_system(OneStage(instances, model), data, task="rec", ious=IOUS).to_json()
        plain = Plain(contents(pictures), retriever, contents(instances), model, depth)

    def share(queries, right):
        return sum(map(right, queries)) / len(queries)

    for k in KS:
        for tau in IOUS:
            expected = share(data.queries, lambda query, k=k, tau=tau: plain.found(query, k, tau))
            assert record["official"]["box_recall"][f"{tau}"][f"{k}"] == expected
            assert record["any"]["box_recall"][f"{tau}"][f"{k}"] == expected
            several = share(data.ambiguous, lambda query, k=k, tau=tau: plain.found(query, k, tau))
            assert record["ambiguous"]["any"]["box_recall"][f"{tau}"][f"{k}"] == several
        found = share(data.queries, lambda query, k=k: plain.image_found(query, k))
        assert record["image_recall"][f"{k}"] == by_tower["image_recall"][f"{k}"] == found
    overlaps = [plain.overlap(query, query.file_name) for query in data.queries]
    for tau in IOUS:
        assert inside[f"precision_at_{tau}"] == np.mean(np.array(overlaps) > tau)
    assert record["precision_at_0.5"] == inside["precision_at_0.5"]
    assert inside["mean_iou"] == pytest.approx(np.mean(overlaps))


@pytest.fixture
def painted(tmp_path):
    """The painted gallery: whole pictures by their mean colour, boxes by the colour of their cells."""
    tower, model = GridColourModel(cells=1), GridColourModel()
    with (
        make_index(tmp_path / "images", tmp_path / "tower", tower).snapshot() as pictures,
        make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as instances,
    ):
        yield pictures, tower, instances, model


def test_figures_by_hand(tmp_path, painted):
    evaluation = evaluate_system(TwoStage(*painted), write_dataset(tmp_path), ks=(1, 2, 3))
    record = evaluation.to_json()
    # Mean colours (red, green, blue): one (125, 125, 63), two (75, 73, 40), three (3, 0, 50).
    # "red thing": two is the reddest as a whole, by a hair, so one is second; its box is right.
    # "green": one before two; the box in two is right at 0.5 and 0.7. "the blue": three is first, and its box right.
    # "red" for one's blue cell: the picture is second and its best box wrong.
    assert record["image_recall"] == {"1": 0.25, "2": 1.0, "3": 1.0}
    assert record["official"]["box_recall"]["0.5"] == {"1": 0.25, "2": 0.75, "3": 0.75}
    assert record["official"]["box_recall"]["0.9"] == {"1": 0.25, "2": 0.5, "3": 0.5}
    assert record["any"] == record["official"]
    assert record["precision_at_0.5"] == 0.75
    # "green" of two or three: the boxes are right in two alone, and one stands before it.
    assert record["ambiguous"]["any"]["box_recall"]["0.5"] == {"1": 0.0, "2": 1.0, "3": 1.0}
    assert record["retriever"] == {
        "name": "grid-colour", "fingerprint": "grid-colour-1-1", "snapshot": 1, "depth": None
    }  # fmt: skip
    text = format_report(evaluation)
    assert "pictures by grid-colour (grid-colour-), then boxes by model grid-colour" in text


def test_what_it_costs(tmp_path, painted):
    record = evaluate_system(OneStage(*painted[2:]), write_dataset(tmp_path)).to_json()
    assert record["cost"] == {"pictures": {"grid-colour": 3}, "texts": {"grid-colour": 5}, "pairs": {}, "total": 8}
    inside = evaluate_system(OneStage(*painted[2:]), write_dataset(tmp_path), task="rec").to_json()
    assert inside["cost"]["total"] == 3 + 4


def test_a_tower_that_misses_the_picture_costs_the_query(tmp_path, painted):
    """Nothing the second stage finds helps where the picture is not among the first ``depth``."""
    pictures, tower, instances, model = painted
    data = write_dataset(tmp_path)
    shallow = evaluate_system(TwoStage(pictures, tower, instances, model, depth=1), data, ks=(1, 3)).to_json()
    assert shallow["official"]["box_recall"]["0.5"] == {"1": 0.25, "3": 0.25}
    assert shallow["image_recall"]["3"] == 1.0
    assert shallow["precision_at_0.5"] == 0.75


def test_constant_scores_find_nothing(tmp_path):
    """Ties count against a system in both of its stages."""
    data = write_random_dataset(tmp_path, np.random.default_rng(0))
    texts = [query.text for query in (*data.queries, *data.ambiguous)]
    zeros = {text: np.zeros(DIMENSION, np.float32) for text in texts}
    retriever, model = Retriever(zeros), DictionaryModel(zeros)
    rng = np.random.default_rng(0)
    first, second = index_of(tmp_path, rng, retriever, [1] * IMAGES), index_of(tmp_path, rng, model, [4] * IMAGES)
    with first.snapshot() as pictures, second.snapshot() as instances:
        record = evaluate_system(TwoStage(pictures, retriever, instances, model), data, ks=(1, IMAGES - 1)).to_json()
    assert set(record["image_recall"].values()) == {0.0}
    assert set(record["any"]["box_recall"]["0.5"].values()) == {0.0}


def test_pictures_with_the_same_content_are_one_place(tmp_path):
    tower, model = GridColourModel(cells=1), GridColourModel()
    indexes = [make_index(tmp_path / "images", tmp_path / f"{m.cells}", m) for m in (tower, model)]
    for index in indexes:
        with index.writer() as writer:
            writer.add_duplicate(FileFacts("copy.png", size=1, mtime_ns=9, content_hash="0", width=64, height=64), 1)
            writer.commit()
    names = ["one.png", "sub/two.png", "three.png", "copy.png"]
    images = [{"id": i, "file_name": name, "width": 64, "height": 64} for i, name in enumerate(names, 1)]
    target = {"id": 1, "image_id": 4, "bbox": [0, 32, 32, 32], "expressions": ["blue"]}
    both = [{"expression": "red", "annotation_ids": [2, 3]}]
    cells = [{"id": i, "image_id": image, "bbox": [0, 0, 32, 32]} for i, image in ((2, 1), (3, 4))]
    data = write_dataset(tmp_path, images=images, annotations=[target, *cells], ambiguous=both)
    with indexes[0].snapshot() as pictures, indexes[1].snapshot() as instances:
        record = evaluate_system(TwoStage(pictures, tower, instances, model), data, ks=(1, 2, 3)).to_json()
    # Blue: three, then two or the pair of copies, which is one picture; never four places.
    assert record["official"]["box_recall"]["0.9"]["3"] == 1.0
    assert record["ambiguous"]["any"]["box_recall"]["0.9"] == {"1": 0.0, "2": 1.0, "3": 1.0}


def test_a_wrong_call(tmp_path, painted):
    pictures, tower, instances, model = painted
    data = write_dataset(tmp_path)
    with pytest.raises(UsageError, match="at least 1 picture, got a depth of 0"):
        TwoStage(pictures, tower, instances, model, depth=0)
    with pytest.raises(UsageError, match="the task rec asks the model that gives the boxes alone"):
        evaluate_system(TwoStage(*painted), data, task="rec")
    with pytest.raises(UsageError, match="the task tir asks the retriever alone"):
        evaluate_system(TwoStage(*painted), data, task="tir")
    with pytest.raises(UsageError, match="task must be one of reir, rec, ris, tir, got 'vqa'"):
        evaluate_system(TwoStage(*painted), data, task="vqa")
    with pytest.raises(ModelMismatchError):
        evaluate_system(TwoStage(instances, tower, pictures, model), data)


def test_galleries_that_differ_are_mentioned(tmp_path):
    tower, model = GridColourModel(cells=1), GridColourModel()
    data = write_dataset(tmp_path)
    extra = {"four.png": [(255, 0, 0)] * 4}
    with (
        make_index(tmp_path / "images", tmp_path / "tower", tower, extra=extra).snapshot() as pictures,
        make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as instances,
    ):
        evaluation = evaluate_system(TwoStage(pictures, tower, instances, model), data)
    (warning,) = [text for text in evaluation.warnings if "differ" in text]
    assert "the retriever's index holds 4 pictures, the model's 3" in warning


def test_short_expressions_that_fit_several_objects_count_in_rec(tmp_path, painted):
    """RefCOCO's "left man" stands on several annotations; each is a query of its own, inside its own picture."""
    cells = {1: [0, 0, 32, 32], 2: [32, 0, 32, 32], 3: [0, 0, 32, 32]}
    annotations = [
        {"id": i, "image_id": 1 if i < 3 else 2, "bbox": box, "expressions": ["red", "red"]} for i, box in cells.items()
    ]
    data = write_dataset(tmp_path, annotations=annotations, ambiguous=[])
    record = evaluate_system(OneStage(*painted[2:]), data, task="rec").to_json()
    assert record["queries"] == 6
    assert record["precision_at_0.5"] == pytest.approx(4 / 6)
    assert json.loads(json.dumps(record, allow_nan=False))["intervals"]["mean_iou"][0] <= record["mean_iou"]


def test_a_task_without_a_gallery_says_what_it_leaves_out(tmp_path, painted):
    data = write_dataset(tmp_path)
    evaluation = evaluate_system(OneStage(*painted[2:]), data, task="rec", ious=(0.7,))
    assert evaluation.warnings == ["ambiguous expressions of painted, which the task rec leaves out: 1"]
    assert set(evaluation.overall.shares) == {"precision_at_0.5", "precision_at_0.7", "mean_iou"}
    text = format_report(evaluation)
    assert "mean IoU inside the right picture" in text
    assert "BoxRecall" not in text
    pictures = evaluate_system(OneStage(*painted[:2]), data, task="tir", ks=(1, 2))
    assert set(pictures.overall.shares) == {"image_recall"}
    assert "image @2" in format_report(pictures)


def test_the_galleries_stream_by(tmp_path, monkeypatch):
    """Memory follows the block, not the gallery: no product is larger than queries times the rows of one block."""
    rng = np.random.default_rng(1)
    data = write_random_dataset(tmp_path, rng)
    texts = [query.text for query in (*data.queries, *data.ambiguous)]
    retriever, model = (
        kind({text: rng.integers(-2, 3, DIMENSION).astype(np.float32) for text in texts})
        for kind in (Retriever, DictionaryModel)
    )
    first, second = index_of(tmp_path, rng, retriever, [3] * IMAGES), index_of(tmp_path, rng, model, [4] * IMAGES)
    sizes = []
    with first.snapshot() as pictures, second.snapshot() as instances:
        whole = evaluate_system(TwoStage(pictures, retriever, instances, model), data, ks=KS)
        monkeypatch.setattr("reir.evaluation.placing._ROWS_AT_ONCE", 5)
        blocks = pictures.blocks
        monkeypatch.setattr(
            pictures, "blocks", lambda rows: (sizes.append(len(block)) or block for block in blocks(rows))
        )
        monkeypatch.setattr(instances, "blocks", lambda rows: pytest.fail("the boxes' gallery is not scanned"))
        streamed = evaluate_system(TwoStage(pictures, retriever, instances, model), data, ks=KS)
        evaluate_system(OneStage(instances, model), data, task="rec")
    assert max(sizes) <= 5
    assert sum(sizes) == 3 * IMAGES
    assert streamed.overall == whole.overall
    assert streamed.ambiguous == whole.ambiguous

import json

import numpy as np
import pytest

from reir.errors import DatasetError, ModelMismatchError, PicturesMissingError, UsageError
from reir.evaluation import evaluate
from reir.store import FileFacts
from tests.evaluation.gallery import AMBIGUOUS, BOTTOM_RIGHT, PAINTED, annotations, make_index, write_dataset
from tests.grid_colour_model import GridColourModel


@pytest.fixture
def model():
    return GridColourModel()


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path)


@pytest.fixture
def snapshot(tmp_path, model):
    with make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as snapshot:
        yield snapshot


def test_figures_by_hand(snapshot, model, dataset):
    record = evaluate(snapshot, model, dataset, ks=(1, 2, 5)).to_json()
    assert record["queries"] == 4
    assert record["gallery"] == {"images": 3, "instances": 12}
    # "red thing" is first; "green" and "the blue" are second; "red" is answered by the wrong box.
    assert record["official"]["box_recall"] == {
        "0.5": {"1": 0.25, "2": 0.75, "5": 0.75},
        "0.7": {"1": 0.25, "2": 0.75, "5": 0.75},
        "0.9": {"1": 0.25, "2": 0.5, "5": 0.5},
    }
    # For "red" against the blue cell: yellow, two's red, two's greys and one's own red stand before; never in five.
    assert record["any"]["box_recall"] == record["official"]["box_recall"]
    # "red" as a picture is right at once.
    assert record["image_recall"] == {"1": 0.5, "2": 1.0, "5": 1.0}
    assert record["precision_at_0.5"] == 0.75
    assert record["by_kind"]["one"]["official"]["box_recall"]["0.5"] == {"1": 0.5, "2": 0.5, "5": 0.5}
    assert record["by_kind"]["two"]["official"]["box_recall"]["0.9"] == {"1": 0.0, "2": 0.5, "5": 0.5}
    assert record["by_kind"]["two"]["queries"] == 2


def test_any_looks_further_than_the_best_box(snapshot, model, tmp_path):
    # The true box is the yellow cell; its picture's best answer to "red" is the red one, and yellow comes third.
    wanted = {"id": 1, "image_id": 1, "bbox": BOTTOM_RIGHT, "expressions": ["red"]}
    record = evaluate(snapshot, model, write_dataset(tmp_path, annotations=[wanted], ambiguous=[]), ks=(2, 3)).to_json()
    assert record["official"]["box_recall"]["0.9"] == {"2": 0.0, "3": 0.0}
    assert record["any"]["box_recall"]["0.9"] == {"2": 0.0, "3": 1.0}


def test_ambiguous_expressions_stand_apart(snapshot, model, dataset):
    evaluation = evaluate(snapshot, model, dataset, ks=(1, 2))
    record = evaluation.to_json()
    assert set(record["ambiguous"]) == {"queries", "any", "intervals"}
    assert record["ambiguous"]["queries"] == 1
    assert record["ambiguous"]["any"]["box_recall"]["0.5"] == {"1": 0.0, "2": 1.0}
    alone = evaluate(snapshot, model, dataset, ks=(1, 2), protocol="official").to_json()
    assert alone["ambiguous"] is None
    assert alone["official"] == record["official"]
    assert "any" not in alone


def test_an_ambiguous_expression_may_have_targets_in_one_picture_and_without_instances(tmp_path, model):
    targets = [*annotations(), {"id": 5, "image_id": 1, "bbox": BOTTOM_RIGHT}]
    data = write_dataset(tmp_path, annotations=targets, ambiguous=[{"expression": "yellow", "annotation_ids": [1, 5]}])
    with make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as snapshot:
        record = evaluate(snapshot, model, data, ks=(1,)).to_json()
    assert record["ambiguous"]["any"]["box_recall"]["0.9"]["1"] == 1.0


def test_the_json_is_the_contract(snapshot, model, dataset):
    record = json.loads(json.dumps(evaluate(snapshot, model, dataset).to_json(), allow_nan=False))
    assert set(record) >= {
        "dataset", "model", "queries", "gallery", "official", "any", "image_recall", "precision_at_0.5", "intervals",
        "by_kind", "by_size", "ambiguous", "timings_ms",
    }  # fmt: skip
    assert (record["dataset"], record["model"]) == ("painted", "grid-colour")
    for figures in (record, record["intervals"]):
        for protocol in ("official", "any"):
            assert {iou: set(by_k) for iou, by_k in figures[protocol]["box_recall"].items()} == {
                iou: {"1", "5", "10"} for iou in ("0.5", "0.7", "0.9")
            }
        assert set(figures["image_recall"]) == {"1", "5", "10"}
    low, high = record["intervals"]["precision_at_0.5"]
    assert 0 <= low <= 0.75 <= high <= 1
    assert set(record["timings_ms"]) == {"load", "encode_per_query", "place", "scan", "scan_per_query"}
    assert all(value >= 0 for value in record["timings_ms"].values())


def test_sizes_are_the_data_sets_or_else_those_of_coco(snapshot, model, tmp_path):
    record = evaluate(snapshot, model, write_dataset(tmp_path)).to_json()
    assert record["size_rule"] == "coco"
    assert {size: figures["queries"] for size, figures in record["by_size"].items()} == {"small": 1, "medium": 3}
    sized = [{**annotation, "size": "small" if i else "large"} for i, annotation in enumerate(annotations())]
    record = evaluate(snapshot, model, write_dataset(tmp_path, annotations=sized)).to_json()
    assert record["size_rule"] == "dataset"
    assert {size: figures["queries"] for size, figures in record["by_size"].items()} == {"small": 3, "large": 1}
    borders = (1023, 1024, 9215, 9216)
    areas = [{**annotation, "area": area} for annotation, area in zip(annotations(), borders, strict=True)]
    record = evaluate(snapshot, model, write_dataset(tmp_path, annotations=areas)).to_json()
    assert {s: figures["queries"] for s, figures in record["by_size"].items()} == {"small": 1, "medium": 2, "large": 1}


def test_an_index_of_a_folder_around_the_images(tmp_path, model, dataset):
    with make_index(tmp_path, tmp_path / "db", model, prefix="images/").snapshot() as snapshot:
        assert evaluate(snapshot, model, dataset).overall.shares["precision_at_0.5"] == 0.75


def test_an_index_of_a_copy_elsewhere(tmp_path, model, dataset):
    with make_index(tmp_path / "copy", tmp_path / "db", model).snapshot() as snapshot:
        assert evaluate(snapshot, model, dataset).overall.shares["precision_at_0.5"] == 0.75


def test_other_pictures_of_the_index_are_rivals_and_are_mentioned(tmp_path, model, dataset):
    extra = {"four.png": [(255, 0, 0)] * 4}
    with make_index(tmp_path / "images", tmp_path / "db", model, extra=extra).snapshot() as snapshot:
        evaluation = evaluate(snapshot, model, dataset)
    assert evaluation.instances == 16
    # Four cells as red as the true one now tie with it.
    assert evaluation.overall.shares["official"]["box_recall"]["0.5"] == {"1": 0.0, "5": 0.75, "10": 0.75}
    assert "pictures of the index that are not in the data set, and count as gallery: 1" in evaluation.warnings


def test_pictures_that_the_index_lacks_are_listed_with_the_command(tmp_path, model, dataset):
    index = make_index(tmp_path / "images", tmp_path / "db", model)
    with index.writer() as writer:
        writer.delete(["one.png"])
        writer.fail(FileFacts("three.png", size=1, mtime_ns=99), "cut off")
        writer.commit()
    with index.snapshot() as snapshot, pytest.raises(PicturesMissingError) as caught:
        evaluate(snapshot, model, dataset)
    assert caught.value.missing == [("one.png", "not in the index"), ("three.png", "could not be read: cut off")]
    assert f"reir index {tmp_path / 'images'} --db {tmp_path / 'db'}" in str(caught.value)


def test_another_model_is_refused(snapshot, dataset):
    with pytest.raises(ModelMismatchError):
        evaluate(snapshot, GridColourModel(fingerprint="another"), dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ks": ()}, "k must be at least 1"),
        ({"ks": (0, 1)}, "k must be at least 1"),
        ({"ious": (1.0,)}, "iou must be"),
        ({"ious": ()}, "iou must be"),
        ({"protocol": "strict"}, "official, any or both, got 'strict'"),
    ],
)
def test_options_out_of_range(snapshot, model, dataset, options, message):
    with pytest.raises(UsageError, match=message):
        evaluate(snapshot, model, dataset, **options)


def test_pictures_with_the_same_content_share_their_instances(tmp_path, model):
    """A copy of a true picture adds no instances, and an expression for the copy is found through them."""
    index = make_index(tmp_path / "images", tmp_path / "db", model)
    with index.writer() as writer:
        writer.add_duplicate(FileFacts("copy.png", size=1, mtime_ns=9, content_hash="0", width=64, height=64), 1)
        writer.commit()
    names = [*PAINTED, "copy.png"]
    images = [{"id": i, "file_name": name, "width": 64, "height": 64} for i, name in enumerate(names, 1)]
    moved = [{**target, "image_id": 4} if target["image_id"] == 1 else target for target in annotations()]
    targets = [*moved, {"id": 9, "image_id": 1, "bbox": [0, 0, 32, 32]}]
    ambiguous = [*AMBIGUOUS, {"expression": "red", "annotation_ids": [1, 9]}]
    data = write_dataset(tmp_path, images=images, annotations=targets, ambiguous=ambiguous)
    with index.snapshot() as snapshot:
        evaluation = evaluate(snapshot, model, data, ks=(1, 2, 5))
    assert evaluation.instances == 12
    assert evaluation.overall.shares["official"]["box_recall"]["0.5"] == {"1": 0.25, "2": 0.75, "5": 0.75}
    assert evaluation.ambiguous is not None
    assert evaluation.ambiguous.shares["any"]["box_recall"]["0.5"] == {"1": 0.5, "2": 1.0, "5": 1.0}


def test_progress_reaches_the_end_of_every_phase(snapshot, model, dataset):
    told = []
    evaluate(snapshot, model, dataset, progress=lambda phase, done, total: told.append((phase, done, total)))
    assert [entry for entry in told if entry[1] == entry[2]] == [
        ("encoding", 5, 5), ("placing", 5, 5), ("scanning", 12, 12)
    ]  # fmt: skip
    assert all(done <= total for _, done, total in told)


def test_a_seed_gives_the_same_intervals(snapshot, model, dataset):
    first, second = (evaluate(snapshot, model, dataset, seed=3).overall for _ in range(2))
    assert first == second


def test_a_data_set_without_queries(snapshot, model, dataset):
    from dataclasses import replace

    with pytest.raises(DatasetError, match="no expressions"):
        evaluate(snapshot, model, replace(dataset, queries=[]))


def test_a_picture_without_instances_is_never_found(tmp_path, model, dataset):
    from reir.types import Instances

    index = make_index(tmp_path / "images", tmp_path / "db", model)
    nothing = Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 3), np.float32))
    with index.writer() as writer:
        writer.add(FileFacts("one.png", size=2, mtime_ns=50, content_hash="x", width=64, height=64), nothing)
        writer.commit()
    with index.snapshot() as snapshot:
        record = evaluate(snapshot, model, dataset).to_json()
    # The two expressions for it fail; the other two are now first of what is left.
    assert record["official"]["box_recall"]["0.5"] == {"1": 0.5, "5": 0.5, "10": 0.5}
    assert record["image_recall"] == {"1": 0.5, "5": 0.5, "10": 0.5}

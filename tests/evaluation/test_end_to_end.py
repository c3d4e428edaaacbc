"""From picture files to figures: indexed, stored and measured by the real parts."""

import pytest
from PIL import Image

from reir.data.coco import load_dataset
from reir.evaluation import evaluate
from reir.indexer import IndexOptions, open_or_create, run_index
from tests.evaluation.gallery import PAINTED, pixels, write_dataset
from tests.grid_colour_model import GridColourModel


@pytest.fixture
def images_root(tmp_path):
    root = tmp_path / "images"
    for name, colours in PAINTED.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(colours)).save(root / name)
    return root


def test_painted_pictures(tmp_path, images_root):
    write_dataset(tmp_path)
    dataset = load_dataset(tmp_path / "painted.json")
    model = GridColourModel()
    index = open_or_create(dataset.images_root, model)
    assert run_index(index, model, IndexOptions(workers=1)).new == len(PAINTED)
    with index.snapshot() as snapshot:
        record = evaluate(snapshot, model, dataset, ks=(1, 2, 5)).to_json()
    assert record["gallery"] == {"images": 3, "instances": 12}
    # The same figures as over an index made by hand.
    assert record["official"]["box_recall"] == {
        "0.5": {"1": 0.25, "2": 0.75, "5": 0.75},
        "0.7": {"1": 0.25, "2": 0.75, "5": 0.75},
        "0.9": {"1": 0.25, "2": 0.5, "5": 0.5},
    }
    assert record["image_recall"] == {"1": 0.5, "2": 1.0, "5": 1.0}


def test_the_official_figure_is_what_a_search_shows(tmp_path, images_root):
    """Where no scores tie, the rank that the evaluation counts is the place that the search gives."""
    write_dataset(tmp_path)
    dataset = load_dataset(tmp_path / "painted.json")
    model = GridColourModel()
    index = open_or_create(images_root, model)
    run_index(index, model, IndexOptions(workers=1))
    with index.snapshot() as snapshot:
        _, ids = snapshot.search(model.encode([query.text for query in dataset.queries[:3]]), 2)
        for query, k, found in zip(dataset.queries, (1, 2, 2), ids.tolist(), strict=False):
            rows = snapshot.instances(found)
            owner = snapshot.image_by_path(query.file_name)
            assert owner is not None
            places = [place for place, image_id in enumerate(rows.image_ids, 1) if image_id == owner.source_image_id]
            assert places[0] == k

"""Evaluation over a store of several segments with changed and deleted pictures, against plain loops."""

import json
from typing import ClassVar

import numpy as np
import pytest

from reir.data.coco import load_dataset
from reir.evaluation import evaluate
from reir.store import FileFacts, Index
from reir.types import FloatArray, Instances, ModelIdentity
from tests.metrics import plain
from tests.metrics.problems import BOXES

IMAGES, DIMENSION, KS, IOUS = 12, 4, (1, 2, 5), (0.5, 0.7, 0.9)


class DictionaryModel:
    """Query vectors by expression: whole numbers, so that scores are exact and tie often."""

    notice = None
    blend: ClassVar[dict[str, float]] = {}
    identity = ModelIdentity("dictionary", "1", DIMENSION)

    def __init__(self, vectors: dict[str, FloatArray]) -> None:
        self.vectors = vectors

    def encode(self, expressions, *, blend=None):
        return np.stack([self.vectors[text] for text in expressions])


def random_instances(rng, count):
    return Instances(
        BOXES[rng.integers(0, len(BOXES), count)].astype(np.float32),
        np.ones(count, np.float32),
        rng.integers(-2, 3, (count, DIMENSION)).astype(np.float32),
    )


def make_index(tmp_path, rng, model):
    index = Index.create(tmp_path / "images", db=tmp_path / "db", model=model.identity)
    with index.writer() as writer:
        for i in range(IMAGES):
            facts = FileFacts(f"{i}.png", size=1, mtime_ns=1, content_hash=f"{i}", width=100, height=100)
            writer.add(facts, random_instances(rng, int(rng.integers(0, 6))))
            if i % 3 == 2:
                writer.commit()
        writer.add(FileFacts("gone.png", 1, 1, "gone", 100, 100), random_instances(rng, 5))
        writer.commit()
        writer.delete(["gone.png"])
        writer.add(FileFacts("0.png", 2, 2, "new", 100, 100), random_instances(rng, 4))
        writer.commit()
    return index


def write_dataset(tmp_path, rng):
    queries = []
    for i in range(30):
        x0, y0, x1, y1 = BOXES[rng.integers(0, len(BOXES))].tolist()
        queries.append({"id": i, "image_id": int(rng.integers(0, IMAGES)), "bbox": [x0, y0, x1 - x0, y1 - y0]})
        queries[-1] |= {"expressions": [f"query {i}"], "expression_kinds": [f"kind {i % 3}"]}
    images = [{"id": i, "file_name": f"{i}.png", "width": 100, "height": 100} for i in range(IMAGES)]
    targets = [rng.choice(30, 3, replace=False).tolist() for _ in range(10)]
    ambiguous = [{"expression": f"ambiguous {i}", "annotation_ids": ids} for i, ids in enumerate(targets)]
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"images": images, "annotations": queries, "ambiguous": ambiguous}))
    return load_dataset(path)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_loops(tmp_path, seed):
    rng = np.random.default_rng(seed)
    data = write_dataset(tmp_path, rng)
    texts = [query.text for query in (*data.queries, *data.ambiguous)]
    model = DictionaryModel({text: rng.integers(-2, 3, DIMENSION).astype(np.float32) for text in texts})
    index = make_index(tmp_path, rng, model)
    with index.snapshot() as snapshot:
        record = evaluate(snapshot, model, data, ks=KS, ious=IOUS).to_json()
        blocks = list(snapshot.blocks())
        ids = {image.file_name: snapshot.image_by_path(image.file_name).source_image_id for image in data.images}
    vectors = np.concatenate([block.vectors for block in blocks])
    gallery = plain.Gallery(
        np.concatenate([block.image_ids for block in blocks]).tolist(),
        [tuple(box) for block in blocks for box in block.boxes.tolist()],
    )
    assert len(gallery.images) == record["gallery"]["instances"] == snapshot.instance_count

    def share(queries, right):
        return sum(right((vectors @ model.vectors[query.text]).tolist(), query) for query in queries) / len(queries)

    for tau in IOUS:
        for k in KS:

            def official(scores, query, k=k, tau=tau):
                return plain.official(scores, gallery, ids[query.file_name], query.box, k, tau)

            def any_of(scores, query, k=k, tau=tau):
                truths = [(ids[target.file_name], target.box) for target in query.targets]
                return plain.any_of(scores, gallery, truths, k, tau)

            assert record["official"]["box_recall"][f"{tau}"][f"{k}"] == share(data.queries, official)
            assert record["any"]["box_recall"][f"{tau}"][f"{k}"] == share(data.queries, any_of)
            assert record["ambiguous"]["any"]["box_recall"][f"{tau}"][f"{k}"] == share(data.ambiguous, any_of)
            for kind in ("kind 0", "kind 1", "kind 2"):
                of_kind = [query for query in data.queries if query.kind == kind]
                assert record["by_kind"][kind]["any"]["box_recall"][f"{tau}"][f"{k}"] == share(of_kind, any_of)
    for k in KS:

        def found(scores, query, k=k):
            return plain.image_found(scores, gallery, {ids[query.file_name]}, k)

        assert record["image_recall"][f"{k}"] == share(data.queries, found)

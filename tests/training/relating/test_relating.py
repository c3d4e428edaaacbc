"""States of scenes, views and batches of them, and a whole run over the network of another, in its smallest form."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from reir.data.expressions import MAX_TOKENS, denote, vocabulary
from reir.data.splits import TRAIN
from reir.errors import UsageError
from reir.models import load_model
from reir.models.clare.builder import build_clare
from reir.models.clare.config import TINY
from reir.text import WordTokenizer
from reir.training import RelatingConfig, TrainConfig, load_config
from reir.training.relating.batches import StateBatches
from reir.training.relating.run import train
from reir.training.relating.states import States, build_states, load_states, picture_states
from reir.training.relating.views import BACKGROUND, LEFT_OUT, draw_texts, make_view
from reir.training.run import train as train_clare
from reir.training.scenes.cache import build_cache, load_shard
from reir.training.scenes.canvases import CANVASES

pytestmark = pytest.mark.requires_font

TOKENIZER = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)


def smallest(start: Path, steps: int = 4) -> RelatingConfig:
    config = load_config("clare-tiny-relations").smoke()
    assert isinstance(config, RelatingConfig)
    return config.model_copy(
        update={
            "start": start,
            "data": config.data.model_copy(update={"scenes": 20, "validation_scenes": 6}),
            "batch": config.batch.model_copy(update={"groups": 2, "pictures": 2}),
            "optim": config.optim.model_copy(update={"steps": steps, "bf16": False}),
            "checkpoint_every": 2,
            "validate_every": 4,
        }
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A finished run of one step."""
    config = load_config("clare-tiny").smoke()
    assert isinstance(config, TrainConfig)
    assert config.data is not None
    config = config.model_copy(
        update={
            "data": config.data.model_copy(update={"scenes": 20, "validation_scenes": 4}),
            "batch": config.batch.model_copy(update={"pictures": 2}),
            "optim": config.optim.model_copy(update={"steps": 1, "bf16": False}),
        }
    )
    out = tmp_path_factory.mktemp("start")
    train_clare(config, out=out, cache=cache, workers=0, device="cpu", log=lambda _: None)
    return out


@pytest.fixture(scope="module")
def shards(started: Path, cache: Path) -> list[Path]:
    data = load_config("clare-tiny").data  # type: ignore[union-attr]
    (folder,) = [path for path in cache.iterdir() if "states" not in path.name]
    config = data.model_copy(update={"scenes": 20})  # type: ignore[union-attr]
    return build_cache(folder, first_seed=TRAIN.first, config=config, canvases=CANVASES, workers=0)  # type: ignore[arg-type]


def seen(shards: list[Path], folder: Path) -> None:
    """States as a network would give them that sees every object exactly, first of all its predictions."""
    for path in shards:
        records = load_shard(path).records
        for flip in (False, True):
            boxes = np.full((len(records), 20, 4), 0.02, np.float32)
            objectness = np.full((len(records), 20), -6.0, np.float32)
            for i, record in enumerate(records):
                width, height = record.scene.size_units
                for j, thing in enumerate(record.scene.objects):
                    x0, y0, x1, y1 = np.array(thing.box) / [width, height, width, height]
                    x = (x0 + x1) / 2
                    boxes[i, j] = [1 - x if flip else x, (y0 + y1) / 2, x1 - x0, y1 - y0]
                    objectness[i, j] = 4.0
            hidden = np.zeros((len(records), 20, TINY.width), np.float16)
            name = f"{path.name}-{'mirrored' if flip else 'plain'}.npz"
            np.savez(folder / name, hidden=hidden, boxes=boxes, objectness=objectness)


def test_states_are_those_of_the_records_in_order_and_mirrored_ones_of_the_mirrored_pictures(shards, tmp_path):
    torch.manual_seed(0)
    network = build_clare(TINY, vocabulary_size=TOKENIZER.vocabulary_size)
    build_states(network, shards, tmp_path)
    plain, mirrored = load_states(shards, tmp_path)
    assert plain.hidden.shape == mirrored.hidden.shape == (20, TINY.queries, TINY.width)
    assert np.isfinite(plain.hidden.astype(np.float32)).all()
    assert not np.array_equal(plain.hidden, mirrored.hidden)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    build_states(network, shards, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    shard = load_shard(shards[0])
    record = shard.records[7]
    pixels = np.array(shard.pixels[record.canvas][record.row : record.row + 1])
    alone = picture_states(network, pixels, np.array([record.valid]), device="cpu", bf16=True)
    np.testing.assert_allclose(alone.boxes[0], plain.boxes[7], atol=0.05)


def test_a_view_knows_which_prediction_is_which_object(shards):
    record = load_shard(shards[0]).records[0]
    width, height = record.scene.size_units
    truth = np.array([thing.box for thing in record.scene.objects]) / [width, height, width, height]
    centre = np.concatenate([(truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]], axis=1)
    doubled = centre[:1] * [1.0, 1.0, 1.05, 1.05]
    nowhere = np.array([[0.01, 0.01, 0.02, 0.02], [0.99, 0.01, 0.02, 0.02]])
    boxes = np.concatenate([nowhere, doubled, centre]).astype(np.float32)
    objectness = np.array([2.0, -9.0, 1.0, *[3.0] * len(centre)], np.float32)
    view = make_view(
        record, flip=False, boxes_cxcywh=boxes, objectness=objectness, queries=len(boxes), tokenizer=TOKENIZER
    )
    owners = dict(zip(view.queries.tolist(), view.owners.tolist(), strict=True))
    assert [owners[3 + i] for i in range(len(centre))] == list(range(len(centre)))
    assert (owners[0], owners[1], owners[2]) == (BACKGROUND, LEFT_OUT, LEFT_OUT)
    assert (view.owners[: len(centre)] >= 0).all()
    chosen = draw_texts(view, Random(0), count=5, phrases=0.2, corruptions=0.2, noun="dog", of_noun=4.0)
    assert len({text.token_ids for text in chosen}) == 5


def test_labels_are_what_the_texts_mean_in_every_picture_of_the_batch(shards, tmp_path):
    seen(shards, tmp_path)
    config = smallest(tmp_path).batch.model_copy(update={"groups": 4, "pictures": 3})
    batches = StateBatches(shards, tmp_path, config=config, tokenizer=TOKENIZER, seed=0, steps=8)
    assert len(batches) == 8
    true = 0
    for step in range(4):
        batch, again = batches[step], batches[step]
        assert all(torch.equal(one, two) for one, two in zip(vars(batch).values(), vars(again).values(), strict=True))
        pictures, queries = batch.objectness.shape
        assert batch.labels.shape == (len(batch.token_ids), pictures * queries)
        assert (batch.token_mask.sum(1).diff() >= 0).all()
        assert len(batch.matched) == len(batch.classes)
        said = (batch.labels == 1).any(dim=0).nonzero()[:, 0]
        assert torch.isin(said, batch.matched).all()
        true += int((batch.labels == 1).sum())
    assert true > 20
    view = batches._view((0, True))
    for text in view.expressions:
        assert denote(text.program, view.facts).true


def test_a_run_trains_what_comes_after_the_decoder_alone_and_can_be_stopped(started, cache, tmp_path):
    whole = train(smallest(started), out=tmp_path / "whole", cache=cache, workers=0, device="cpu", log=lambda _: None)
    stopping = Stop("checkpoint at 2")
    with pytest.raises(KeyboardInterrupt):
        train(smallest(started), out=tmp_path / "part", cache=cache, workers=0, device="cpu", log=stopping)
    train(
        smallest(started), out=tmp_path / "part", cache=cache, resume=True, workers=0, device="cpu", log=lambda _: None
    )
    one, two = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"] for name in ("whole", "part")
    )
    before = torch.load(started / "checkpoint.pt", weights_only=True)["network"]
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-3, atol=1e-5, msg=name)
    frozen = [name for name in before if name.startswith("visual.") and "instance" not in name]
    assert frozen
    assert all(torch.equal(one[name], before[name]) for name in frozen)
    assert not torch.equal(one["text.tokens.weight"], before["text.tokens.weight"])
    lines = (tmp_path / "whole" / "validation.jsonl").read_text().splitlines()
    assert set(json.loads(lines[-1])) >= {"official", "by_kind", "step"}
    model = load_model(f"clare:{whole.folder}", device="cpu")
    assert model.identity.dimension == 256
    assert model.encode(["the red dog"]).shape == (1, 256)


def test_a_start_that_is_no_run_is_refused(tmp_path, cache):
    with pytest.raises(UsageError, match="finished run"):
        train(smallest(tmp_path), out=tmp_path / "run", cache=cache, workers=0, device="cpu", log=lambda _: None)


def test_states_keep_their_fields_in_order() -> None:
    assert States.__slots__ == ("hidden", "boxes", "objectness")


class Stop:
    """A log that stops the run at one of its lines."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __call__(self, line: str) -> None:
        if line == self.line:
            raise KeyboardInterrupt

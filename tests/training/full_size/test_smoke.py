"""The paper's two stages in their smoke form, and the folder that comes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir.data import find_dataset
from reir.errors import UsageError
from reir.models import load_model
from reir.training.config import TrainConfig, load_config
from reir.training.run import train
from reir.training.smoke import make_start
from reir.types import Picture


def smallest(preset: str) -> TrainConfig:
    config = load_config(preset)
    assert isinstance(config, TrainConfig)
    config = config.smoke()
    optim = config.optim.model_copy(update={"steps": 2, "accumulate": 2, "drops": (1,)})
    return config.model_copy(update={"optim": optim, "validation": None})


def test_both_stages_end_in_a_folder_that_finds_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    options = {"cache": tmp_path, "workers": 0, "device": "cpu", "log": told.append}
    second = smallest("clare-vit-b-stage2")
    assert second.start == Path("runs/clare-vit-b-stage1-smoke")
    train(smallest("clare-vit-b-stage1"), out=second.start, **options)
    make_start(second, **options)  # it is there
    report = train(second, out=tmp_path / "second", **options)
    assert any("more.gate" in line for line in told)
    assert report.pictures == 2 * 2 * second.photos.pictures
    last = json.loads((tmp_path / "second" / "losses.jsonl").read_text().splitlines()[-1])
    assert last["clia"] > 0
    first = (tmp_path / "runs" / "clare-vit-b-stage1-smoke" / "losses.jsonl").read_text().splitlines()[-1]
    assert json.loads(first)["clia"] == 0
    assert json.loads(first)["focal"] > 0

    model = load_model(f"clare:{report.folder}", device="cpu")
    assert "means nothing" in (model.notice or "")
    folder = find_dataset("demo").parent / "images"
    picture = np.asarray(Image.open(sorted(folder.iterdir())[0]).convert("RGB"))
    (found,) = model.extract([Picture(picture, picture.shape[1], picture.shape[0])])
    assert found.vectors.shape == (len(found.boxes), 32)
    assert model.encode(["the red dog near the lamp"]).shape == (1, 32)


@pytest.mark.slow
def test_the_second_stage_makes_its_start(tmp_path, monkeypatch):
    from reir.cli.app import run

    monkeypatch.chdir(tmp_path)
    assert run(["train", "clare-vit-b-stage2", "--smoke", "--device", "cpu"]) == 0
    for stage in ("stage1", "stage2"):
        assert (tmp_path / "runs" / f"clare-vit-b-{stage}-smoke" / "model" / "config.json").is_file()
    (tmp_path / "photos").mkdir()
    for file in sorted((find_dataset("demo").parent / "images").iterdir())[:2]:
        (tmp_path / "photos" / file.name).write_bytes(file.read_bytes())
    model = "clare:runs/clare-vit-b-stage2-smoke/model"
    assert run(["index", "photos", "--model", model, "--workers", "1", "--device", "cpu"]) == 0
    assert run(["search", "the red dog", "--db", "photos/.reir"]) == 0


def test_what_is_missing_is_told_at_once_with_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        train(load_config("clare-vit-b-stage1"), out=tmp_path / "run", cache=tmp_path, device="cpu")
    message = str(caught.value)
    assert "needs 5 things that are not here" in message
    assert message.count("--drop-leaks clean") == 4
    for part in (
        "photos.sources.0.file: clean/instances_train2017.json",
        "validation.file: sets/refcoco_unc_val.json. reir data convert 'refcoco/refs(unc).p' DIR",
        "reir train clare-vit-b-stage1 --smoke",
    ):
        assert part in message
    with pytest.raises(UsageError, match=r"start: runs/clare-vit-b-stage1, .*reir train clare-vit-b-stage1"):
        train(load_config("clare-vit-b-stage2"), out=tmp_path / "run", cache=tmp_path, device="cpu")
    with pytest.raises(UsageError, match=r"objects: annotations/instances_train2017.json. it comes with COCO 2017"):
        train(load_config("clare-vit-b-stage2"), out=tmp_path / "run", cache=tmp_path, device="cpu")
    assert not (tmp_path / "run").exists()

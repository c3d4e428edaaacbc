"""Whole runs of VATEX: smoke forms, going on bit for bit, folders that load, and two scenes learned by heart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reir.errors import UsageError
from reir.models.vatex.checkpoint import load_vatex
from reir.training import load_config, parse_config
from reir.training.processes import Processes
from reir.training.shares import Shares
from reir.training.vatex import VatexTraining
from reir.training.vatex.forward import forward_rows
from reir.training.vatex.run import train
from reir.training.vatex.task import VatexTask

ALONE = Processes(torch.device("cpu"))


def smoke(preset: str, *settings: str) -> VatexTraining:
    config = load_config(preset, settings)
    assert isinstance(config, VatexTraining)
    return config.smoke()


def run(config: VatexTraining, out: Path, cache: Path, **options):
    return train(config, out=out, cache=cache, workers=0, device="cpu", log=lambda _: None, **options)


@pytest.mark.parametrize("preset", ["vatex-tiny", "vatex-refcoco"])
def test_smoke_forms_end_with_a_model_folder_that_loads(preset, tmp_path, cache):
    config = smoke(preset)
    report = run(config, tmp_path, cache)
    assert set(report.validation) >= {"mean_iou", "overall_iou", "object_centric_iou", "precision_at_0.9"}
    parts = load_vatex(report.folder)
    assert (parts.prior is not None) == (preset != "vatex-tiny")
    assert preset in (report.folder / "README.md").read_text()
    told = json.loads((report.folder / "config.json").read_text())
    assert "trained for seconds" in told["notice"]
    losses = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses] == [3, 6]
    assert all(line[name] > 0 for line in losses for name in ("classification", "mask", "dice", "mcc"))


def test_a_run_that_goes_on_is_the_run_that_was_never_stopped(tmp_path, cache):
    config = smoke("vatex-refcoco")
    run(config, tmp_path / "whole", cache)
    (tmp_path / "half").mkdir()
    name = "checkpoint-00000003.pt"
    (tmp_path / "half" / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    run(config, tmp_path / "half", cache, from_step=3)
    whole, half = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"] for name in ("whole", "half")
    )
    assert whole.keys() == half.keys()
    assert all(torch.equal(value, half[name]) for name, value in whole.items())


def test_without_mcc_it_is_no_part_of_the_loss(tmp_path, cache):
    run(smoke("vatex-tiny", "network.mcc=false"), tmp_path, cache)
    assert all("mcc" not in json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines())


@pytest.mark.slow
def test_two_scenes_are_learned_by_heart(tmp_path, cache):
    """The loss falls to a fraction, and the masks of the two pictures' expressions are found."""
    settings = [*("network.side=64", "network.width=64", "network.layers=2"), "scenes.mirror=false", "optim.bf16=false"]
    config = load_config("vatex-tiny", [*settings, "scenes.scenes=48", "scenes.validation_scenes=1"])
    assert isinstance(config, VatexTraining)
    config = config.model_copy(update={"rows": config.rows.model_copy(update={"pictures": 2})})
    torch.manual_seed(0)
    task = VatexTask(config, out=tmp_path, cache=cache, resume=False, processes=ALONE, workers=0, log=lambda _: None)
    batch = task.batches[0]
    counts = tuple(task.counts(batch).tolist())
    optim = torch.optim.AdamW(task.network.parameters(), lr=2e-3)
    task.network.train()
    losses = []
    for _ in range(50):
        loss, _ = task.loss(batch, progress=0.0, shares=Shares(counts, counts))
        losses.append(float(loss.detach()))
        optim.zero_grad()
        loss.backward()
        optim.step()
    assert losses[-1] < 0.35 * losses[0]
    with torch.no_grad():
        output = forward_rows(task.network, None, batch, device=ALONE.device, bf16=False)
    best = output.class_logits[-1].argmax(dim=1)
    painted = output.mask_logits[-1][torch.arange(len(best)), best]
    painted = torch.nn.functional.interpolate(painted[:, None], size=batch.masks.shape[-2:], mode="bilinear")[:, 0] > 0
    ious = (painted & batch.masks).sum((1, 2)) / (painted | batch.masks).sum((1, 2))
    assert float(ious.mean()) > 0.5


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["network.backbone=vgg"], "network.backbone"),
        (["network.widht=3"], "network.widht: Extra inputs"),
        (["network.clip_prior=true"], "CLIP Prior needs a tower"),
        (["backbone_weights=imagenet"], "no ImageNet weights"),
        (["network.backbone_channels=[8, 16, 32, 32]"], "tiny backbone with channels"),
        (["rows.expressions=2"], "at least 3 for the triplets"),
        (["photos.file=demo"], "name one of the two"),
    ],
)
def test_settings_that_cannot_be_are_told(settings, told):
    with pytest.raises(UsageError, match=told):
        load_config("vatex-tiny", settings)


def test_a_run_file_says_what_it_is():
    text = 'kind = "vatex"\nname = "x"\nbackbone_weights = "none"\n[scenes]\nscenes = 9\n[optim]\nsteps = 9\n'
    assert isinstance(parse_config(text, source="x"), VatexTraining)

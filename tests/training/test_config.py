from pathlib import Path

import pytest

from reir.errors import UsageError
from reir.training import TrainConfig, load_config, parse_config, preset_names
from reir.training.referring import ReferringConfig
from reir.training.schedule import learning_rate

MINIMAL = """
name = "small"
model = "tiny"
[data]
scenes = 100
[optim]
steps = 1000
"""


def test_every_preset_loads_and_has_a_smoke_form():
    names = preset_names()
    assert "clare-tiny" in names
    for name in names:
        config = load_config(name)
        assert config.name == name
        if isinstance(config, TrainConfig):
            assert config.smoke().optim.steps < 20 < config.optim.steps
            assert config.stages[-1].until == 1.0
        elif isinstance(config, ReferringConfig):
            assert config.smoke().data.pictures < 20
            assert config.data.pictures is None


def test_the_stages_of_the_paper():
    for size in ("b", "l"):
        first, second = (load_config(f"clare-vit-{size}-stage{stage}") for stage in (1, 2))
        assert isinstance(first, TrainConfig)
        assert isinstance(second, TrainConfig)
        assert (first.network.routed_experts, first.clia.scope) == (0, "none")
        assert (second.network.routed_experts, second.network.active_experts, second.clia.scope) == (4, 2, "batch")
        assert second.start == Path("runs") / first.name
        assert {source.task for source in first.photos.sources} == {"detection", "rec"}
        for config in (first, second):
            rates = [learning_rate(config.optim, step) for step in (0, 999, 47999, 48000, 59999)]
            assert rates == pytest.approx([2e-7, 2e-4, 2e-4, 2e-5, 2e-5])
        assert second.smoke().start == Path(f"runs/{first.name}-smoke")
        assert [first.optim.weight_decay, second.optim.weight_decay] == [0.05, 1e-4]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["optim.schedule=step"], "drops belong to the schedule"),
        (["model=vit-b"], "'vit-b' is trained on photographs"),
        (["validation.file=demo"], "validation: only for runs on photographs"),
        (["photos.sources=[{file='demo', task='reir'}]"], "name one of the two"),
        (["photos.short_side=[9, 3]"], r"photos\.sources"),
        (["network.routed_experts=0"], "they are 2 and 0"),
        (["network.active_experts=5"], "they are 5 and 4"),
        (["stages=[{until=0.5}]"], r"must rise and end at 1\.0, got \[0\.5\]"),
        (["stages=[{until=1.0}, {until=0.5}]"], "must rise"),
    ],
)
def test_settings_that_do_not_fit_together_are_told(settings, told):
    with pytest.raises(UsageError, match=told):
        parse_config(MINIMAL, source="run.toml", settings=settings)


def test_settings_replace_those_of_the_file():
    settings = ["optim.steps=7", "optim.betas=[0.8, 0.9]", "name=other run", "batch.mirror=false"]
    config = parse_config(MINIMAL, source="run.toml", settings=settings)
    assert (config.optim.steps, config.optim.betas, config.name) == (7, (0.8, 0.9), "other run")
    assert config.batch.mirror is False
    with pytest.raises(UsageError, match=r"optim\.stepz"):
        parse_config(MINIMAL, source="run.toml", settings=["optim.stepz=7"])
    with pytest.raises(UsageError, match="a setting is KEY=VALUE"):
        parse_config(MINIMAL, source="run.toml", settings=["optim.steps"])
    with pytest.raises(UsageError, match="name is a value, not a table"):
        parse_config(MINIMAL, source="run.toml", settings=["name.steps=3"])


def test_all_errors_are_told_together():
    text = MINIMAL.replace("scenes = 100", "scenes = -1") + "stepz = 3\nbatch_size = 2\n"
    with pytest.raises(UsageError) as caught:
        parse_config(text, source="run.toml")
    message = str(caught.value)
    assert "run.toml has 3 wrong settings" in message
    for part in ("data.scenes", "optim.stepz", "optim.batch_size"):
        assert part in message


def test_a_size_that_cannot_be_trained_is_told_at_once():
    with pytest.raises(UsageError, match=r"model: .*'tiny'"):
        parse_config(MINIMAL.replace('"tiny"', '"huge"'), source="run.toml")


def test_unknown_preset_lists_the_known():
    with pytest.raises(UsageError, match="clare-tiny"):
        load_config("clare-tinny")


def test_not_toml():
    with pytest.raises(UsageError, match="not TOML"):
        parse_config("a = = 2", source="x")


def test_learning_rate_warms_up_and_decays():
    optim = parse_config(MINIMAL, source="x").optim
    rates = [learning_rate(optim, step) for step in range(optim.steps)]
    peak = rates.index(max(rates))
    assert peak in (optim.warmup - 1, optim.warmup)
    assert max(rates) == pytest.approx(optim.learning_rate)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(optim.final_share * optim.learning_rate, rel=1e-2)


def test_towers_learn_at_a_rate_of_their_own():
    from torch import nn

    from reir.training.optimiser import make_optimiser, set_learning_rate

    network = nn.Module()
    network.visual = nn.Module()
    network.visual.backbone = nn.Module()
    network.visual.backbone.trunk = nn.Linear(2, 2)
    network.visual.encoder = nn.Linear(2, 2)
    network.scale = nn.Parameter(nn.init.zeros_(nn.Linear(1, 1).bias))
    config = parse_config(MINIMAL, source="x", settings=["optim.tower_factor=0.1", "optim.warmup=0"]).optim
    optim = make_optimiser([network], config, ("visual.backbone.trunk.", "text.tower."))
    set_learning_rate(optim, config, 0)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in optim.param_groups for p in group["params"]}
    rate, decay = config.learning_rate, config.weight_decay
    assert found[id(network.visual.backbone.trunk.weight)] == (pytest.approx(0.1 * rate), decay)
    assert found[id(network.visual.backbone.trunk.bias)] == (pytest.approx(0.1 * rate), 0.0)
    assert found[id(network.visual.encoder.weight)] == (pytest.approx(rate), decay)
    assert found[id(network.scale)] == (pytest.approx(rate), 0.0)
    assert len(found) == 5


def test_a_setting_of_one_of_several_tables():
    config = load_config("clare-vit-b-stage1", ["photos.sources.2.images=coco/train2017", "photos.sources.0.weight=2"])
    assert [str(source.images) for source in config.photos.sources] == ["train2017"] * 2 + [
        "coco/train2017",
        "train2017",
    ]
    assert config.photos.sources[0].weight == 2
    for setting, message in (
        ("photos.sources.4.images=x", "4 is none of 0 to 3"),
        ("photos.sources.first.images=x", "first is none of 0 to 3"),
        ("photos.sources.images=x", "as 0.images"),
        ("photos.pictures.0=x", "pictures is a value, not a table"),
    ):
        with pytest.raises(UsageError, match=message):
            load_config("clare-vit-b-stage1", [setting])

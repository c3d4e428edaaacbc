import pytest

from reir.errors import UsageError
from reir.training import TrainConfig, load_config, parse_config, preset_names
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
        else:
            assert config.smoke().data.pictures < 20
            assert config.data.pictures is None


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

import pytest

from reir.errors import UsageError
from reir.training import load_config, parse_config, preset_names
from reir.training.referring import ReferringConfig

MINIMAL = """
kind = "rpn-clip"
name = "mine"
[data]
dataset = "train.json"
"""


def test_presets_are_the_papers_settings() -> None:
    for kind in ("rcnn-clip", "rpn-clip"):
        assert f"{kind}-refcoco" in preset_names()
        config = load_config(f"{kind}-refcoco")
        assert isinstance(config, ReferringConfig)
        assert config.kind == kind
        assert (config.optim.epochs, config.optim.pictures) == (5, 16)
        assert (config.detector.arch, config.tower) == ("fasterrcnn_resnet50_fpn", "ViT-B-32__openai")


def test_all_errors_are_told_together() -> None:
    text = MINIMAL + "epochs = 3\n[optim]\nstepz = 3\npictures = 0\n[detector]\narch = 'yolo'\n"
    with pytest.raises(UsageError) as caught:
        parse_config(text, source="run.toml")
    message = str(caught.value)
    assert "run.toml has 4 wrong settings" in message
    for part in ("data.epochs", "optim.stepz", "optim.pictures", "detector: Value error, no detector is called 'yolo'"):
        assert part in message


def test_a_kind_that_is_none_is_told() -> None:
    with pytest.raises(UsageError, match=r"kind: .*'rcnn-clip' or 'rpn-clip'"):
        parse_config(MINIMAL.replace("rpn-clip", "owl"), source="run.toml")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("detector.arch=maskrcnn_resnet50_fpn", "needs masks to be trained"),
        ("detector.arch=fasterrcnn_small", "has no ImageNet weights"),
        ("detector.max_size=100", "max_size 100 is less than min_size 800"),
    ],
)
def test_detectors_that_cannot_be_trained(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_config(MINIMAL, source="run.toml", settings=[setting])

"""Models by name: what a name means before anything is loaded."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from reir.errors import UnknownModelError, UsageError
from reir.models import ModelSpec, list_models, load_model, model_entry, model_sources, model_spec, register

NAMES = {
    "clare-tiny",
    "clare",
    "owlvit-base-patch32",
    "owlvit-base-patch16",
    "owlvit-large-patch14",
    "owlv2-base",
    "owlv2-large",
    "rcnn-clip",
    "rpn-clip",
    "sam-clip",
    "picture-clip",
}


def test_every_name_is_there_once() -> None:
    assert {entry.name for entry in list_models()} == NAMES
    with pytest.raises(ValueError, match="registered already"):
        register(model_entry("owlv2-base"))


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_a_loader_can_be_imported(entry: Any) -> None:
    module, _, function = entry.loader.partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_a_record_says_of_the_whole_what_its_sources_say_of_the_parts(entry: Any) -> None:
    assert (entry.source == "hub") == bool(entry.sources)
    if entry.source == "hub":
        assert entry.megabytes == round(sum(source.megabytes for source in entry.sources), 1)
        assert set(entry.licence.split(", ")) == {source.licence for source in entry.sources}


def test_an_unknown_name_is_told_its_neighbours() -> None:
    with pytest.raises(UnknownModelError, match="owlv2-base"):
        load_model("owl2-base")


def test_folders_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    assert str(model_spec("owlv2-base:weights")) == f"owlv2-base:{tmp_path / 'weights'}"
    assert str(model_spec("rcnn-clip:./weights,size=480")) == f"rcnn-clip:{tmp_path / 'weights'},size=480"
    assert str(model_spec("rcnn-clip:ViT-B-32__openai")) == "rcnn-clip:ViT-B-32__openai"


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no folder"):
        model_spec("owlv2-base:/nowhere/weights")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "owlvit", "vision_config": {"patch_size": 32}}, "owlvit-base-patch32"),
        ({"model_type": "owlvit", "vision_config": {"patch_size": 16}}, "owlvit-base-patch16"),
        ({"model_type": "owlvit", "vision_config": {"patch_size": 14}}, "owlvit-large-patch14"),
        ({"model_type": "owlvit"}, "owlvit-base-patch32"),
        ({"model_type": "owlv2", "vision_config": {"patch_size": 16}}, "owlv2-base"),
        ({"model_type": "owlv2", "vision_config": {"patch_size": 14}}, "owlv2-large"),
        ({"format": 1, "model": "rpn-clip", "detector": {}}, "rpn-clip"),
        ({"format": 1, "network": {}, "serving": {}}, "clare"),
    ],
)
def test_a_folder_is_named_by_its_configuration(tmp_path: Path, config: dict[str, Any], name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert str(model_spec(str(tmp_path))) == f"{name}:{tmp_path}"


def test_a_folder_whose_path_reads_like_an_option(tmp_path: Path) -> None:
    folder = tmp_path / "a,nms=0.5" / "weights"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "owlv2"}')
    with pytest.raises(UsageError, match="Rename the folder"):
        model_spec(str(folder))


def test_a_damaged_configuration_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config\.json is not the configuration"):
        model_sources(ModelSpec("rcnn-clip", str(tmp_path)))


def test_a_folder_of_open_clip_embeds_whole_pictures(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    assert str(model_spec(str(tmp_path))) == f"picture-clip:{tmp_path}"


def test_a_folder_of_parts_is_sam_clip(tmp_path: Path) -> None:
    (tmp_path / "sam").mkdir()
    (tmp_path / "tower").mkdir()
    assert str(model_spec(str(tmp_path))) == f"sam-clip:{tmp_path}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no config.json"),
        ('{"model_type": "bert"}', "no model that reir knows"),
        ("[]", "no model that reir knows"),
        ("{", "is damaged"),
        ('{"model_type": "owlvit", "vision_config": "small"}', "no model that reir knows"),
        ('{"model_type": "owlv2", "vision_config": {"patch_size": "16x16"}}', "no model that reir knows"),
        ('{"model_type": "owlv2", "vision_config": {"patch_size": [14, 14]}}', "no model that reir knows"),
        ('{"format": 1, "model": "no-such"}', "no model that reir knows"),
    ],
)
def test_a_folder_that_tells_no_model(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        model_spec(str(tmp_path))


def test_the_package_model_takes_no_folder_and_a_folder_model_needs_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no folder"):
        load_model(f"clare-tiny:{tmp_path}")
    with pytest.raises(UsageError, match="needs a checkpoint folder"):
        load_model("clare")

"""``reir models``: what is here, what is fetched with whose consent, and what is found damaged."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reir.cli.app import run
from reir.errors import WeightsMissingError
from reir.models import load_model
from reir.models.hub import HubSource, find_folder
from reir.models.hub import sources as known_sources
from tests.cli.conftest import Done
from tests.models.hub.server import COMMIT, TinyHub, tiny_hub

REPO = "google/owlv2-base-patch16-ensemble"
FILES = {
    "config.json": json.dumps({"model_type": "owlv2"}).encode(),
    "preprocessor_config.json": b"{}",
    "vocab.json": b'{"a": 1}',
    "merges.txt": b"#version: 0.2",
    "model.safetensors": bytes(range(256)) * 4_000,
}
TOWER = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    """A hub whose ``owlv2-base`` is small, and a machine without weights."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    unpinned = HubSource(REPO, licence="Apache-2.0", model="owlv2-base")
    monkeypatch.setattr(known_sources, "HUB_SOURCES", {REPO: unpinned})
    with tiny_hub({REPO: FILES}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def reir(capsys: pytest.CaptureFixture[str]) -> Any:
    """``reir("models", "list")`` runs it in this process, with the real models."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def test_list_and_show_say_what_is_here(reir: Any, hub: TinyHub) -> None:
    def where() -> str:
        listed = reir("models", "list", "--json").json["models"]
        found: str = next(entry["where"] for entry in listed if entry["name"] == "clare-tiny")
        assert found == "package"
        return str(next(entry["where"] for entry in listed if entry["name"] == "owlv2-base"))

    assert where() == "missing"
    assert reir("models", "download", "owlv2-base").code == 0
    shown = reir("models", "show", "clare-tiny")
    assert shown.code == 0
    assert "emoji scenes only" in shown.out
    assert where() == "here"
    assert "owlv2-base            here" in reir("models", "list").out
    facts = reir("models", "show", "owlv2-base", "--json").json
    assert facts["sources"][0]["revision"] == COMMIT
    assert facts["sources"][0]["files"]["model.safetensors"]["by"] == "recorded"
    assert f"revision {COMMIT}  recorded at the download" in reir("models", "show", "owlv2-base").out


def test_download_then_verify_then_damage(reir: Any, hub: TinyHub) -> None:
    done = reir("models", "download", "owlv2-base")
    assert done.code == 0
    assert f"{REPO} at {COMMIT[:12]} (not pinned" in done.err
    assert "Apache-2.0" in done.err
    folder = Path(done.out.strip())
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    checked = reir("models", "verify", "owlv2-base")
    assert checked.code == 0
    assert checked.out.count("whole") == len(FILES)
    assert reir("models", "verify", "owlv2-base", "--json").json["whole"] is True
    with (folder / "model.safetensors").open("r+b") as file:
        file.write(b"x")
    refused = reir("models", "verify", "owlv2-base")
    assert refused.code == 1
    assert f"damaged   owlv2-base  {folder / 'model.safetensors'}  (recorded)" in refused.out
    assert "Fetch it anew with: reir models download owlv2-base" in refused.err
    assert reir("models", "verify").code == 1
    assert reir("models", "verify", "--json").json["whole"] is False
    assert reir("models", "download", "owlv2-base").code == 0
    assert reir("models", "verify").code == 0


def test_a_carried_folder_is_verified_by_what_it_carries(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    done = reir("models", "download", "owlv2-base", "--to", tmp_path / "carried")
    assert done.code == 0
    assert f"--model owlv2-base:{tmp_path / 'carried'}\n" in done.out
    sparse = reir("models", "download", "owlv2-base:nms=0.5", "--to", tmp_path / "carried")
    assert f"--model owlv2-base:{tmp_path / 'carried'},nms=0.5\n" in sparse.out
    assert reir("models", "verify", f"owlv2-base:{tmp_path / 'carried'}").code == 0
    (tmp_path / "carried/vocab.json").write_text("[]")
    refused = reir("models", "verify", f"owlv2-base:{tmp_path / 'carried'}")
    assert refused.code == 1
    assert "vocab.json" in refused.out


def test_a_large_download_wants_a_word(reir: Any, hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reir.cli.weights.LARGE", 1_000_000)
    refused = reir("models", "download", "owlv2-base")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert "1.0 MB" in refused.err
    assert reir("models", "download", "owlv2-base", "--yes", "--json").json["bytes"] == sum(map(len, FILES.values()))
    assert reir("models", "download", "owlv2-base", "--json").json["bytes"] == 0


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_a_terminal_is_asked(reir: Any, hub: TinyHub, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    import io

    monkeypatch.setattr("reir.cli.weights.LARGE", 1_000_000)
    monkeypatch.setattr("reir.cli.weights._can_ask", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    done = reir("models", "download", "owlv2-base")
    assert (done.code, "Download?" in done.err) == (code, True)


def test_names_that_are_no_download(reir: Any, hub: TinyHub) -> None:
    assert "nothing to download" in reir("models", "download", "clare-tiny").err
    unknown = reir("models", "download", "owl2-base")
    assert (unknown.code, "owlv2-base" in unknown.err) == (2, True)
    assert "answers 404" in reir("models", "download", "somebody/else").err


def test_a_repository_by_its_own_name(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    hub.repositories["somebody/tower"] = {
        "open_clip_config.json": b"{}",
        "open_clip_model.safetensors": b"1",
        "model.safetensors": b"2",
        "pytorch_model.bin": b"3",
    }
    done = reir("models", "download", "somebody/tower", "--to", tmp_path / "tower")
    assert done.code == 0
    names = {path.name for path in (tmp_path / "tower").iterdir()}
    assert names == {"open_clip_config.json", "open_clip_model.safetensors", "reir-weights.json"}


def test_a_tokenizer_without_an_owner_is_fetched_by_the_command_that_is_printed(reir: Any, hub: TinyHub) -> None:
    hub.repositories["roberta-base"] = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"1"}
    with pytest.raises(WeightsMissingError) as missing:
        find_folder("roberta-base")
    command = re.findall(r"reir (models download roberta-base)\n", str(missing.value))[0]
    assert reir(*command.split()).code == 0
    assert {path.name for path in find_folder("roberta-base").iterdir()} == {"config.json", "tokenizer.json"}


def test_the_package_verifies_itself(reir: Any) -> None:
    done = reir("models", "verify", "clare-tiny", "--json").json
    assert done["whole"] is True
    states = {Path(file["path"]).name: file["state"] for file in done["models"]["clare-tiny"]}
    assert states["model.safetensors"] == states["text.onnx"] == states["tokenizer.json"] == "whole"


@pytest.mark.parametrize("forbidden", [True, False])
def test_an_index_without_weights_and_network(
    reir: Any, hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: bool
) -> None:
    """The answer is there within five seconds, and names the command to run elsewhere and the folder to copy."""
    if forbidden:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "photos").mkdir()
    for consent in ([], ["--yes"]):
        started = time.monotonic()
        refused = reir("index", tmp_path / "photos", "--model", "owlv2-base", *consent)
        assert time.monotonic() - started < 5
        assert refused.code == 1
        assert "reir models download owlv2-base --to owlv2-base" in refused.err
        assert "copy the folder owlv2-base here and say: --model owlv2-base:owlv2-base" in refused.err
    assert not (tmp_path / "photos/.reir").exists()


def test_auto_never_asks_the_network_on_its_own(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = reir("index", tmp_path / "photos", "--json")
    assert done.json["model"] == "clare-tiny"
    assert "reir index FOLDER --model owlv2-base --rebuild" in " ".join(done.json["warnings"])
    assert hub.requests == []


def test_auto_with_consent_and_no_network_falls_back_and_says_why(
    reir: Any, hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "photos").mkdir()
    done = reir("index", tmp_path / "photos", "--yes", "--json")
    assert done.json["model"] == "clare-tiny"
    assert "could not be had: http://127.0.0.1:9 cannot be reached" in done.json["warnings"][0]


def test_sam_clip_can_be_carried(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    hub.repositories["timm/vit_base_patch32_clip_224.openai"] = {
        "open_clip_config.json": json.dumps({"model_cfg": TOWER, "preprocess_cfg": {}}).encode(),
        "open_clip_model.safetensors": bytes(5_000),
    }
    for repo, kind in (("facebook/sam-vit-base", "sam"), ("somebody/blip", "blip")):
        hub.repositories[repo] = {
            "config.json": json.dumps({"model_type": kind}).encode(),
            "preprocessor_config.json": b"{}",
            "model.safetensors": kind.encode() * 1_000,
        }
    carried = tmp_path / "carried"
    done = reir("models", "download", "sam-clip:captioner=somebody/blip,points=16,reader=rules", "--to", carried)
    assert f"--model sam-clip:{carried},points=16,reader=rules\n" in done.out
    assert sorted(path.name for path in carried.iterdir() if path.is_dir()) == ["captioner", "sam", "tower"]
    asked = len(hub.requests)
    assert load_model(str(carried), device="cpu").identity.name.startswith(f"sam-clip:{carried}")
    assert len(hub.requests) == asked
    assert reir("models", "verify", f"sam-clip:{carried}").code == 0


def test_a_model_of_several_parts_can_be_carried(
    reir: Any, hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = bytes(range(256)) * 5_000
    name = f"fasterrcnn_resnet50_fpn_coco-{hashlib.sha256(detector).hexdigest()[:8]}.pth"
    monkeypatch.setattr("reir.models.detector_clip.published._FILES", {"fasterrcnn_resnet50_fpn": name})
    monkeypatch.setattr("reir.models.detector_clip.published._SITE", f"{hub.url}/torch/models/resolve/{COMMIT}")
    hub.repositories["torch/models"] = {name: detector}
    hub.repositories["timm/vit_base_patch32_clip_224.openai"] = {
        "open_clip_config.json": json.dumps({"model_cfg": TOWER, "preprocess_cfg": {}}).encode(),
        "open_clip_model.safetensors": bytes(5_000),
    }
    carried = tmp_path / "carried"
    done = reir("models", "download", "rcnn-clip:ViT-B-32__openai,size=320", "--to", carried)
    assert done.code == 0, done.err
    assert f"--model rcnn-clip:{carried}\n" in done.out
    config = json.loads((carried / "config.json").read_text())
    assert config["detector"]["min_size"] == 320
    assert (carried / config["detector"]["weights"]).read_bytes() == detector
    asked = len(hub.requests)
    model = load_model(str(carried), device="cpu")
    assert model.identity.name == f"rcnn-clip:{carried}"
    assert len(hub.requests) == asked
    checked = reir("models", "verify", f"rcnn-clip:{carried}")
    assert (checked.code, checked.out.count("whole")) == (0, 4), checked.out
    (carried / name).write_bytes(detector[::-1])
    assert reir("models", "verify", f"rcnn-clip:{carried}").code == 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("rcnn-clip:detector=fasterrcnn_small__{}/own.safetensors", "the detector of rcnn-clip"),
        ("rcnn-clip:{}/trained", "download timm/vit_base_patch32_clip_224.openai --to {}/carried/tower"),
        ("rpn-clip:{}/tower", "the tower of rpn-clip"),
        ("sam-clip:{}/tower", "download facebook/sam-vit-base --to {}/carried/sam"),
        ("sam-clip:captioner={}/tower", "the captioner of sam-clip"),
        ("sam-clip:ViT-L-14-CLIPA__{}/own.safetensors", "the tower of sam-clip"),
        ("rcnn-clip:roberta-ViT-B-32__laion2b_s12b_b32k", "then carry {}/cache/huggingface/hub"),
    ],
)
def test_what_has_no_place_in_a_folder_is_refused_before_anything_is_fetched(
    reir: Any, hub: TinyHub, tmp_path: Path, name: str, advice: str
) -> None:
    (tmp_path / "tower").mkdir()
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained/config.json").write_text(json.dumps({"format": 1, "tower": "ViT-B-32__openai"}))
    refused = reir("models", "download", name.format(tmp_path), "--to", tmp_path / "carried", "--yes")
    assert refused.code == 2
    assert advice.format(tmp_path) in refused.err
    assert hub.requests == []


@pytest.mark.parametrize("named", [["--model", "owlv2-base"], ["--model", "auto"], []])
def test_an_index_fetches_its_model_with_consent_and_keeps_it(
    reir: Any, hub: TinyHub, tmp_path: Path, named: list[str]
) -> None:
    (tmp_path / "photos").mkdir()
    done = reir("index", tmp_path / "photos", *named, "--yes", "--json")
    assert done.code == 0
    assert (done.json["model"], done.json["warnings"]) == ("owlv2-base", [])
    asked = len(hub.requests)
    assert reir("index", tmp_path / "photos", "--model", "auto", "--json").json["model"] == "owlv2-base"
    assert load_model("auto", device="cpu").identity.name == "owlv2-base"
    assert len(hub.requests) == asked


def test_an_index_keeps_its_model_when_a_better_one_arrives(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert reir("index", tmp_path / "photos", "--json").json["model"] == "clare-tiny"
    assert reir("models", "download", "owlv2-base").code == 0
    assert reir("index", tmp_path / "photos", "--model", "auto", "--json").json["model"] == "clare-tiny"
    anew = ("index", tmp_path / "photos", "--model", "auto", "--rebuild", "--json")
    assert reir(*anew).json["model"] == "owlv2-base"


@pytest.mark.parametrize("named", ["owlv2-base", "auto"])
def test_a_rehearsal_of_a_rebuild_fetches_nothing(reir: Any, hub: TinyHub, tmp_path: Path, named: str) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photos/red.png")
    assert reir("index", tmp_path / "photos", "--json").json["model"] == "clare-tiny"
    rehearsed = reir("index", tmp_path / "photos", "--rebuild", "--dry-run", "--model", named, "--yes", "--json")
    assert rehearsed.code == 0, rehearsed.err
    assert (rehearsed.json["model"], hub.requests) == ("clare-tiny" if named == "auto" else named, [])
    assert rehearsed.json["changed"] == 1
    assert reir("index", tmp_path / "photos", "--json").json["model"] == "clare-tiny"


def test_damaged_weights_are_refused_by_the_name_of_the_file(reir: Any, hub: TinyHub, tmp_path: Path) -> None:
    folder = Path(reir("models", "download", "owlv2-base").out.strip())
    (folder / "vocab.json").write_bytes(b"[]")
    (tmp_path / "photos").mkdir()
    refused = reir("index", tmp_path / "photos", "--model", "owlv2-base")
    assert refused.code == 1
    assert f"{folder / 'vocab.json'} is damaged" in refused.err
    assert reir("index", tmp_path / "photos", "--model", "owlv2-base", "--yes").code == 0
    assert (folder / "vocab.json").read_bytes() == FILES["vocab.json"]

"""Names of towers, and what is said where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import open_clip
import pytest

from reir.errors import UsageError, WeightsMissingError
from reir.models.towers import ClipTower
from reir.models.towers.openclip_registry import architecture_config, architectures
from tests.models import tiny_siglip
from tests.models.towers.tiny_tower import WEIGHTS, save_tiny_siglip, save_tiny_tower


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "hub"


def save_in_hub(hub: Path, repo: str, files: dict[str, bytes]) -> None:
    snapshot = hub / f"models--{repo.replace('/', '--')}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for name, content in files.items():
        (snapshot / name).write_bytes(content)
    references = snapshot.parent.parent / "refs"
    references.mkdir()
    (references / "main").write_text("0" * 40)


def test_the_architectures_are_open_clips_own():
    registered = {tiny_siglip.NAME}  # by other tests of the same process
    assert list(architectures()) == sorted(set(open_clip.list_models()) - registered)
    for name in architectures():
        assert architecture_config(name) == open_clip.get_model_config(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B32__openai", "no architecture 'ViT-B32'. Did you mean ViT-B-32"),
        ("vit-b-16__openai", "Did you mean ViT-B-16"),
        ("ViT-B-32__opnai", "no weights 'opnai' for ViT-B-32. Did you mean openai"),
        ("ViT-B-32", "no tower 'ViT-B-32': name an architecture of open_clip and its weights, as ViT-B-32__openai"),
        ("ViT-B-32__/no/such.safetensors", "no file of weights /no/such.safetensors"),
        ("/no/such/folder", "no tower '/no/such/folder'"),
    ],
)
def test_wrong_names_are_told_apart(name, said):
    with pytest.raises(UsageError, match=said):
        ClipTower.load(name)


def test_wrong_folders_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match=r"it has no open_clip_config\.json"):
        ClipTower.load(str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a configuration of open_clip"):
        ClipTower.load(str(tmp_path))
    folder = save_tiny_tower(tmp_path)
    (folder / WEIGHTS).unlink()
    with pytest.raises(UsageError, match="holds no weights"):
        ClipTower.load(str(tmp_path))


def test_damaged_weights_are_told(tmp_path):
    folder = save_tiny_tower(tmp_path)
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    tower = ClipTower.load(str(folder), device="cpu")
    for ask in (lambda: tower.encode_texts(["a dog"]), lambda: tower.encode_pixels([np.zeros((9, 9, 3), np.uint8)])):
        with pytest.raises(UsageError, match="do not fit the tower"):
            ask()


def test_weights_from_a_file(tmp_path):
    """Published towers are large; the smallest configuration is asked for its name and digest only."""
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    tower = ClipTower.load(f"ViT-B-32-quickgelu__{file}")
    assert tower.name == f"ViT-B-32-quickgelu__{file}"
    assert (tower.dimension, tower.image_side) == (512, 224)
    assert ClipTower.load(f"ViT-B-32__{file}").digest != tower.digest  # another activation
    before = tower.digest
    file.write_bytes(b"two")
    assert ClipTower.load(tower.name).digest != before


def test_missing_weights_name_the_command_at_once(hub):
    began = time.monotonic()
    with pytest.raises(WeightsMissingError, match="reir models download timm/ViT-B-16-SigLIP"):
        ClipTower.load("ViT-B-16-SigLIP__webli")
    with pytest.raises(WeightsMissingError, match="reir models download laion/CLIP-ViT-B-32-roberta-base"):
        ClipTower.load("roberta-ViT-B-32__laion2b_s12b_b32k")
    assert time.monotonic() - began < 5


def test_published_towers_are_found_in_the_hubs_cache(hub):
    save_in_hub(hub, "timm/ViT-B-16-SigLIP", {"open_clip_model.safetensors": b"weights", "tokenizer.json": b"{}"})
    tower = ClipTower.load("ViT-B-16-SigLIP__webli")
    assert (tower.dimension, tower.image_side) == (768, 224)
    assert tower.source.preprocess.mean == (0.5, 0.5, 0.5)
    assert tower.source.vocabulary == tower.source.weights.parent
    assert len(tower.digest) == 64


def test_openais_activation_comes_with_its_weights(hub):
    save_in_hub(hub, "timm/vit_base_patch16_clip_224.openai", {"open_clip_model.safetensors": b"weights"})
    assert ClipTower.load("ViT-B-16__openai").source.quick_gelu
    save_in_hub(hub, "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", {"open_clip_pytorch_model.bin": b"weights"})
    assert not ClipTower.load("ViT-B-16__laion2b_s34b_b88k").source.quick_gelu


def test_the_digest_is_of_everything_that_changes_vectors(tmp_path):
    folder = save_tiny_siglip(tmp_path)
    digests = {ClipTower.load(str(folder)).digest, ClipTower.load(str(folder), resize_mode="shortest").digest}
    for name in ("tokenizer.json", "open_clip_config.json", WEIGHTS):
        content = (folder / name).read_bytes()
        changed = content.replace(b'"mean": [0.5', b'"mean": [0.4') if name.endswith("config.json") else content + b" "
        assert changed != content
        (folder / name).write_bytes(changed)
        digests.add(ClipTower.load(str(folder)).digest)
        (folder / name).write_bytes(content)
    assert len(digests) == 5
    assert ClipTower.load(str(folder)).digest in digests


def test_a_name_costs_no_torch(hub, tmp_path):
    save_in_hub(hub, "timm/ViT-B-16-SigLIP", {"open_clip_model.safetensors": b"", "tokenizer.json": b"{}"})
    script = (
        "import sys\n"
        "from reir.models.towers import ClipTower\n"
        "ClipTower.load('ViT-B-16-SigLIP__webli').digest\n"
        "assert not {'torch', 'open_clip'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ)

"""The text tower in numpy against open_clip's, and when it is not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from reir.models.towers import ClipTower
from reir.models.towers.clip_text import ClipText
from reir.models.towers.clip_words import ClipWords
from tests.models.towers.tiny_tower import CLIP_TEXT, CONTEXT, WEIGHTS, save_tiny_eva, save_tiny_siglip, save_tiny_tower

TEXTS = [
    *("", " ", "a red dog", "Ein großer HUND — 3 Äpfel", "naïve café's 12:30 menu", "don't we'll I'm they've"),
    *(
        "&amp;lt; &eacute;",
        "“smart” quotes…",
        "mojibake: l’humanitÃ©",
        "日本語のテキスト",
        "emoji 🐶🐶 dog",
        "a\tb\nc\u00a0d\u2009e",
    ),
    *(
        "x" * 300,
        "antidisestablishmentarianism " * 9,
        "!!! ??? ...",
        "<b>bold</b>",
        "under_score",
        "ﬁne ligature",
        "É É",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_tower(tmp_path_factory.mktemp("clip"), text_cfg={**CLIP_TEXT, "layers": 2})


@torch.inference_mode()
def reference(folder: Path) -> np.ndarray:
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    return model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), normalize=True).numpy()


def test_tokens_are_open_clips():
    ids = ClipWords(CONTEXT).encode(TEXTS)
    expected = open_clip.SimpleTokenizer(context_length=CONTEXT)(TEXTS).numpy()
    np.testing.assert_array_equal(ids, expected[:, : ids.shape[1]])
    assert ids.shape[1] == CONTEXT
    simple = open_clip.SimpleTokenizer()
    assert [ClipWords(77).count(text) for text in TEXTS] == [len(simple.encode(text)) + 2 for text in TEXTS]


def test_embeddings_are_open_clips(folder):
    light = ClipText.load(ClipTower.load(str(folder)).source)
    assert light is not None
    np.testing.assert_allclose(light.embed(TEXTS), reference(folder), atol=2e-6)
    np.testing.assert_allclose(light.embed(TEXTS * 5)[-len(TEXTS) :], light.embed(TEXTS), atol=1e-6)
    for text, row in zip(TEXTS, light.embed(TEXTS), strict=True):  # whatever the length of its neighbours
        np.testing.assert_allclose(light.embed([text])[0], row, atol=1e-6)


def test_openais_activation_is_used_where_the_configuration_has_it(folder, tmp_path):
    quick = save_tiny_tower(tmp_path, text_cfg={**CLIP_TEXT, "layers": 2}, quick_gelu=True)
    expected = reference(quick)
    np.testing.assert_allclose(ClipTower.load(str(quick)).encode_texts(TEXTS), expected, atol=2e-6)
    assert np.abs(expected - reference(folder)).max() > 1e-3  # or the test would show nothing


def test_eva_has_it_in_a_part_of_its_own(tmp_path):
    tower = save_tiny_eva(tmp_path)
    light = ClipText.load(ClipTower.load(str(tower)).source)
    assert light is not None
    np.testing.assert_allclose(light.embed(TEXTS), reference(tower), atol=2e-6)


def test_other_towers_are_left_to_open_clip(folder, tmp_path):
    assert ClipText.load(ClipTower.load(str(save_tiny_siglip(tmp_path / "siglip"))).source) is None
    other = save_tiny_tower(tmp_path / "other", text_cfg={**CLIP_TEXT, "pool_type": "last"})
    assert ClipText.load(ClipTower.load(str(other)).source) is None
    np.testing.assert_allclose(ClipTower.load(str(other)).encode_texts(TEXTS), reference(other), atol=1e-6)


def test_weights_in_bfloat16_are_read_by_whoever_can(folder, tmp_path):
    """Numpy knows bfloat16 only where some package has taught it; else open_clip reads the tower."""
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    state = {name: value.bfloat16() for name, value in load_file(folder / WEIGHTS).items()}
    save_file(state, tmp_path / WEIGHTS)
    tower = ClipTower.load(str(tmp_path), device="cpu")
    np.testing.assert_allclose(tower.encode_texts(TEXTS), reference(tmp_path), atol=2e-6)


def test_a_text_needs_no_torch(folder):
    script = (
        "import sys\n"
        "from reir.models.towers import ClipTower\n"
        f"tower = ClipTower.load({str(folder)!r})\n"
        "tower.digest, tower.encode_texts(['a dog']), tower.dropped_words('a dog')\n"
        "assert not {'torch', 'open_clip', 'transformers', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

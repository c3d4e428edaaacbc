"""SigLIP's tokenizer against open_clip's own wrapper, what it cannot read, and either kind from a file."""

import subprocess
import sys

import numpy as np
import pytest

from reir.errors import UsageError, WeightsMissingError
from reir.models.clare.tokenizer import SiglipTokenizer, load_tokenizer
from reir.text import WordTokenizer
from tests.models.siglip_tokenizer import WORDS, save_unigram

TEXTS = [
    "The brown dog lies on a cushion, near the fireplace (with a red rug underneath)!",
    "  left_most   DOG's\tlamp ",
    "caf&eacute; &amp; sofa \u201cbig\u201d",
    "",
    "?!",
    " ".join(WORDS.split() * 4),
    "dog \u732b",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_unigram(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def tokenizer(folder):
    return SiglipTokenizer.find(str(folder))


def test_ids_are_those_of_open_clip(folder, tokenizer):
    from open_clip.tokenizer import HFTokenizer

    theirs = HFTokenizer(str(folder), context_length=64, clean="canonicalize", local_files_only=True)(TEXTS).numpy()
    ids, mask = tokenizer.encode(TEXTS)
    assert ids.shape == mask.shape == (len(TEXTS), 64)
    np.testing.assert_array_equal(ids, theirs)
    assert mask[5].all()
    assert mask[3].sum() == 1  # the end token alone


def test_a_batch_is_as_wide_as_its_longest_text(tokenizer):
    ids, mask = tokenizer.encode(["red dog", "a"])
    assert ids.shape[1] == mask[0].sum() < 64
    assert (ids[~mask] == 1).all()
    assert (ids[np.arange(2), mask.sum(1) - 1] == 1).all()
    assert tokenizer.encode([])[0].shape == (0, 1)


def test_what_is_not_read_is_told(folder, tokenizer):
    assert tokenizer.unknown_words("The DOG, \u732b!") == ["\u732b"]
    assert tokenizer.dropped_words("the red dog") == []
    assert tokenizer.share_read("the red dog") == 1
    assert tokenizer.share_read("dog \u732b") == 0.5
    assert tokenizer.share_read("...") == 0
    short = SiglipTokenizer.find(str(folder), max_tokens=4)
    text = "dog cat sofa lamp car"
    count = len(text.split()) - len(short.dropped_words(text))
    assert 0 < count <= 3
    assert short.dropped_words(text) == text.split()[count:]
    assert short.share_read(text) == count / 5
    assert short.encode([text])[0].shape == (1, 4)


def test_either_kind_survives_a_file(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "siglip.json")
    again = load_tokenizer(tmp_path / "siglip.json", max_tokens=64)
    assert isinstance(again, SiglipTokenizer)
    assert again.vocabulary_size == tokenizer.vocabulary_size
    np.testing.assert_array_equal(again.encode(TEXTS)[0], tokenizer.encode(TEXTS)[0])
    words = WordTokenizer.from_words(["dog", "red"])
    words.save(tmp_path / "words.json")
    again = load_tokenizer(tmp_path / "words.json", max_tokens=8)
    assert isinstance(again, WordTokenizer)
    assert again.max_tokens == 8
    np.testing.assert_array_equal(again.encode(["red dog"])[0], words.encode(["red dog"])[0])


def test_wrong_folders(tmp_path, tokenizer):
    with pytest.raises(UsageError, match=r"spiece\.model"):
        SiglipTokenizer.find(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="cannot be read"):
        load_tokenizer(tmp_path / "tokenizer.json")
    WordTokenizer.from_words(["dog", "red"]).save(tmp_path / "tokenizer.json")
    with pytest.raises(UsageError, match=r"not SigLIP's tokenizer: its token 1 is '<unk>'"):
        SiglipTokenizer.find(str(tmp_path))


def test_an_architecture_names_a_repository_that_is_not_here(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissingError, match="reir models download timm/ViT-B-16-SigLIP"):
        SiglipTokenizer.find("ViT-B-16-SigLIP-384")


def test_it_needs_no_torch(folder):
    code = (
        "import sys; from reir.models.clare.tokenizer import SiglipTokenizer;"
        f"SiglipTokenizer.find({str(folder)!r}).encode(['the red dog']);"
        "assert not {'torch', 'transformers', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The text half: token ids and embeddings beside the library's, and what is said of long expressions."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from reir.errors import UsageError
from reir.models.owl import OwlFolder, TextBranch
from reir.models.owl.tokenizer import ClipTokenizer
from tests.models.owl.tiny_owl import clip_vocabulary

LONG = "the very large brown dog that lies on a red cushion next to the old fireplace in the corner"
EXPRESSIONS = [
    "cat",
    "A Brown DOG, on the cushion!",
    "it's the woman's umbrella; they'll say 1980s",
    "  two   spaces\tand\na line  ",
    "café Ünïcode 猫 🐕",
    "?!",
    "<|endoftext|> in the text",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    LONG,
]


@pytest.fixture(scope="module")
def branch(owls):
    return TextBranch(OwlFolder.open(owls["owlv2"].folder))


def bare_vocabulary(folder):
    """The folder's tokenizer as older ones and the hub's have it: vocab.json and merges.txt."""
    vocabulary, merges = clip_vocabulary()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


@pytest.mark.parametrize("kind", ["tokenizer.json", "vocab.json"])
def test_token_ids_are_the_librarys_own(owls, copied_folder, kind):
    from transformers import CLIPTokenizer

    folder = copied_folder(owls["owlv2"].folder)
    if kind == "vocab.json":
        bare_vocabulary(folder)
    ids = ClipTokenizer(OwlFolder.open(folder)).encode(EXPRESSIONS)
    theirs = CLIPTokenizer.from_pretrained(folder)
    expected = theirs(EXPRESSIONS, padding="max_length", truncation=True, max_length=16, return_tensors="np").input_ids
    for row, full in zip(ids, expected, strict=True):
        end = int(np.flatnonzero(full == 49407)[-1])
        assert row[: end + 1].tolist() == full[: end + 1].tolist()
        assert not row[end + 1 :].any()


def test_query_vectors_are_the_librarys_own(owl):
    with torch.inference_mode():
        base = getattr(owl.reference.network, owl.family)
        features = base.get_text_features(**owl.reference.tokens(EXPRESSIONS)).pooler_output.numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    vectors = owl.model.encode(EXPRESSIONS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[:, :-1], expected, atol=3e-6)
    np.testing.assert_array_equal(vectors[:, -1], 1.0)


def test_weights_in_pytorchs_own_format_give_the_same(owls, copied_folder):
    owl = owls["owlvit"]
    folder = copied_folder(owl.folder)
    (folder / "model.safetensors").unlink()
    torch.save(owl.reference.network.state_dict(), folder / "pytorch_model.bin")
    branch = TextBranch(OwlFolder.open(folder))
    np.testing.assert_array_equal(branch.encode(EXPRESSIONS), owl.model.encode(EXPRESSIONS)[:, :-1])


def test_many_at_once_equal_one_by_one(owl):
    many = [f"{expression} {number}" for number in range(20) for expression in EXPRESSIONS]
    together = owl.model.encode(many)
    alone = np.concatenate([owl.model.encode([expression]) for expression in many])
    assert len(together) == 180
    np.testing.assert_allclose(together, alone, atol=3e-6)
    assert owl.model.encode([]).shape == (0, owl.model.identity.dimension)


def test_a_long_expression_is_cut_and_the_words_dropped_are_named(owl):
    assert owl.model.text_warnings(LONG) == ["too long, not read: old fireplace in the corner"]
    assert owl.model.share_read(LONG) == pytest.approx(14 / 19)
    cut = LONG.removesuffix(" old fireplace in the corner")  # Start and end leave fourteen tokens.
    np.testing.assert_allclose(owl.model.encode([LONG]), owl.model.encode([cut]), atol=1e-6)


def test_what_fits_is_read_whole(owl):
    assert owl.model.text_warnings("a red dog on the sofa !!! ...") == []
    assert owl.model.share_read("a red dog on the sofa !!! ...") == 1.0
    assert owl.model.share_read("?!") == 0.0
    assert owl.model.share_read("") == 0.0


def test_a_word_cut_in_two_counts_as_dropped(branch):
    text = "one two three four five six seven eight nine ten eleven twelve thirteen antidisestablishmentarianism"
    assert branch.dropped_words(text) == ["antidisestablishmentarianism"]
    assert branch.share_read(text) == pytest.approx(13 / 14)


def test_dropped_words_keep_their_accents_and_signs(branch):
    text = "a b c d e f g h i j k l m n Café, d'été — №5!"
    assert branch.dropped_words(text) == ["Café,", "d'été", "№5!"]


def test_another_vocabulary_is_refused(owls, copied_folder):
    folder = copied_folder(owls["owlv2"].folder)
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|startoftext|>", "<|other|>"))
    with pytest.raises(UsageError, match="startoftext"):
        TextBranch(OwlFolder.open(folder)).encode(["cat"])


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_damaged_file_is_named(owls, copied_folder, name):
    folder = copied_folder(owls["owlv2"].folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    with pytest.raises(UsageError, match=name):
        TextBranch(OwlFolder.open(folder)).encode(["cat"])


def test_a_query_needs_neither_torch_nor_transformers(owls):
    code = (
        "import sys\n"
        "from reir.models.owl import load\n"
        "from reir.models.specification import ModelSpec\n"
        f"model = load(ModelSpec.parse('owlv2-base:{owls['owlv2'].folder}'), device='cpu')\n"
        "model.identity, model.encode(['a red dog']), model.text_warnings('a red dog')\n"
        "print(sorted({'torch', 'torchvision', 'transformers', 'open_clip', 'scipy'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

import subprocess
import sys

import numpy as np
import pytest

from reir.text import WordTokenizer


@pytest.fixture
def tokenizer() -> WordTokenizer:
    return WordTokenizer.from_words(["dog", "the", "red", "left", "of"], max_tokens=4)


def test_batch_is_padded_and_masked(tokenizer):
    ids, mask = tokenizer.encode(["the red dog", "dog"])
    assert ids.shape == mask.shape == (2, 3)
    assert mask.tolist() == [[True] * 3, [True, False, False]]
    assert ids[0, 2] == ids[1, 0] > 1
    assert ids[1, 1] == 0


def test_ids_do_not_depend_on_the_order_or_number_of_words_given(tokenizer):
    again = WordTokenizer.from_words(["of", "left", "dog", "red", "the", "dog"], max_tokens=4)
    np.testing.assert_array_equal(tokenizer.encode(["left of the dog"])[0], again.encode(["left of the dog"])[0])


def test_case_and_form_do_not_matter(tokenizer):
    np.testing.assert_array_equal(tokenizer.encode(["Red DOG"])[0], tokenizer.encode(["red dog"])[0])


def test_unknown_and_dropped_words_are_named(tokenizer):
    assert tokenizer.unknown_words("the zebra left of the Zebra's dog") == ["zebra", "Zebra", "'", "s"]
    assert tokenizer.dropped_words("the red dog left of the dog") == ["of", "the", "dog"]


def test_empty_expression_and_empty_batch(tokenizer):
    ids, mask = tokenizer.encode(["", "  "])
    assert ids.tolist() == [[1], [1]]
    assert mask.all()
    assert tokenizer.encode([])[0].shape == (0, 1)


def test_file_round_trip(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    again = WordTokenizer.from_file(tmp_path / "tokenizer.json", max_tokens=4)
    np.testing.assert_array_equal(again.encode(["the red dog"])[0], tokenizer.encode(["the red dog"])[0])
    assert again.vocabulary_size == tokenizer.vocabulary_size == 7


def test_no_torch_is_imported():
    code = "import sys, reir.text; assert not {'torch', 'transformers', 'open_clip'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("expression", "share"),
    [
        ("the red dog", 1),
        ("The RED dog!", 1),  # neither case nor punctuation
        ("red zebra", 1 / 2),
        ("a zebra", 0),  # an article describes nothing, known or not
        ("the", 0),
        ("!?", 0),
        ("", 0),
        ("red dog left red dog left", 4 / 6),  # beyond the longest sentence it takes
    ],
)
def test_the_share_of_describing_words_that_are_read(tokenizer, expression, share):
    assert tokenizer.share_read(expression) == pytest.approx(share)

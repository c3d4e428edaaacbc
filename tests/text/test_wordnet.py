"""The reader of WordNet's files, against numbers that nltk's ``path_similarity`` gives on WordNet 3.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from reir.text import WordNet, find_wordnet, same_thing
from reir.text.wordnet import WordNetMissingError
from tests.conftest import lacking


@pytest.fixture(scope="module")
def wordnet() -> WordNet:
    found = find_wordnet()
    if found is None:
        lacking("needs WordNet's files (Debian package wordnet-base)")
    return found


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("dogs", ["dog"]),
        ("Men", ["men", "man"]),
        ("knives", ["knife"]),
        ("boxes", ["box"]),
        ("geese", ["goose"]),
        ("glasses", ["glasses", "glass"]),
        ("teddy_bears", ["teddy bear"]),
        ("qwertz", []),
        ("", []),
    ],
)
def test_base_forms(wordnet: WordNet, word: str, forms: list[str]) -> None:
    assert wordnet.base_forms(word) == forms


@pytest.mark.parametrize(
    ("a", "b", "first"),
    [
        ("dog", "cat", 1 / 5),
        ("man", "boy", 1 / 3),
        ("woman", "girl", 1 / 2),
        ("man", "person", 1 / 3),
        ("couch", "sofa", 1.0),
        ("bus", "car", 1 / 8),
        ("jacket", "coat", 1 / 2),
        ("berlin", "city", 1 / 3),  # over "instance of"
    ],
)
def test_similarity_of_the_first_meanings(wordnet: WordNet, a: str, b: str, first: float) -> None:
    x, y = wordnet.synsets(a)[0], wordnet.synsets(b)[0]
    assert wordnet.path_similarity(x, y) == pytest.approx(first)
    assert wordnet.path_similarity(y, x) == wordnet.path_similarity(x, y)
    assert wordnet.path_similarity(x, x) == 1.0


def test_similarity_of_words_is_that_of_their_nearest_meanings(wordnet: WordNet) -> None:
    assert wordnet.word_similarity("man", "boy") == pytest.approx(1 / 2)
    assert wordnet.word_similarity("bikes", "bicycle") == 1.0
    assert wordnet.word_similarity("dogs", "cat") == pytest.approx(
        max(wordnet.path_similarity(x, y) for x in wordnet.synsets("dog") for y in wordnet.synsets("cat"))
    )
    assert wordnet.word_similarity("dog", "qwertz") == 0.0


def test_synonyms(wordnet: WordNet) -> None:
    assert {"couch", "sofa", "lounge"} <= wordnet.synonyms("couches") | wordnet.synonyms("couch")
    assert wordnet.synonyms("qwertz") == {"qwertz"}


def test_same_thing_is_strict(wordnet: WordNet) -> None:
    assert same_thing("a grey sofa", "couch", wordnet=wordnet)
    assert same_thing("an old bicycle", "bikes", wordnet=wordnet)
    assert not same_thing("young man", "boy", wordnet=wordnet)
    assert same_thing("young man", "boy", least=0.5, wordnet=wordnet)


def test_a_folder_without_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WordNetMissingError, match="WORDNET_DICT"):
        WordNet(tmp_path)


def test_files_are_read_by_offset(tmp_path: Path) -> None:
    licence = "  1 licence\n"
    lines = ["{:08d} 03 n 01 entity 0 000 | all\n", "{:08d} 03 n 02 hot_dog 0 Frank 0 001 @ {:08d} n 0000 | food\n"]
    first = len(licence)
    top = lines[0].format(first)
    second = first + len(top)
    (tmp_path / "data.noun").write_text(licence + top + lines[1].format(second, first))
    index = [("entity", first), ("hot_dog", second), ("frank", second)]
    (tmp_path / "index.noun").write_text(
        licence + "".join(f"{word} n 1 1 @ 1 0 {offset:08d}  \n" for word, offset in index)
    )
    (tmp_path / "noun.exc").write_text("frankae frank\n")
    wordnet = WordNet(tmp_path)
    assert wordnet.synsets("frankae") == wordnet.synsets("hot dogs") == [wordnet.synset(second)]
    assert wordnet.synset(second).words == ("hot dog", "frank")
    assert wordnet.path_similarity(wordnet.synset(first), wordnet.synset(second)) == 0.5

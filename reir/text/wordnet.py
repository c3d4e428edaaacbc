"""WordNet's nouns, read from the database files themselves: synsets, base forms, synonyms, path similarity.

The files ``index.noun``, ``data.noun`` and ``noun.exc`` are WordNet 3.0's, as Debian's ``wordnet-base`` and nltk's data
have them. They are looked for in the folder that ``WORDNET_DICT`` names, then where these put them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from reir.errors import ReirError

FILES: Final = ("index.noun", "data.noun", "noun.exc")
_ENDINGS: Final = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
"""What ends the plural of a noun, and what ends its singular (WordNet's rules of detachment)."""
_HYPERNYM: Final = ("@", "@i")


class WordNetMissingError(ReirError):
    """WordNet's files are not on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "WordNet's files are not here. Install them with: apt-get install wordnet-base; "
            "or set WORDNET_DICT to a folder that holds index.noun, data.noun and noun.exc"
        )


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning of nouns: its offset in ``data.noun``, its words (lower case, spaces), its hypernyms' offsets.

    Hypernyms include those of instances ("Berlin" is an instance of "city").
    """

    offset: int
    words: tuple[str, ...]
    hypernyms: tuple[int, ...]


class WordNet:
    """The nouns of a folder with WordNet's files. Reading them takes a tenth of a second, at the first question.

    Raises:
        WordNetMissingError: a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        if not all((folder / name).is_file() for name in FILES):
            raise WordNetMissingError
        self.folder = folder

    def base_forms(self, word: str) -> list[str]:
        """The nouns that a word can be a form of, as nltk's ``morphy`` finds them; none for what is no noun here."""
        word = _plain(word)
        candidates = [*self._exceptions.get(word, [])]
        if not candidates:
            candidates = [word[: -len(old)] + new for old, new in _ENDINGS if word.endswith(old)]
        return [form for form in dict.fromkeys([word, *candidates]) if form in self._index]

    def synsets(self, word: str) -> list[Synset]:
        """The meanings of a noun in any form, the most frequent first."""
        offsets = (offset for form in self.base_forms(word) for offset in self._index[form])
        return [self.synset(offset) for offset in dict.fromkeys(offsets)]

    def synset(self, offset: int) -> Synset:
        """The synset at an offset of ``data.noun``."""
        if offset not in self._synsets:
            self._synsets[offset] = self._read(offset)
        return self._synsets[offset]

    def synonyms(self, word: str) -> set[str]:
        """All words that share a meaning with this one, itself included."""
        return {_plain(word), *(other for synset in self.synsets(word) for other in synset.words)}

    def path_similarity(self, a: Synset, b: Synset) -> float:
        """1 / (1 + length of the shortest path between them over hypernyms), as nltk's ``path_similarity``."""
        above_a, above_b = self._distances(a), self._distances(b)
        # All nouns meet in "entity".
        return 1.0 / (1 + min(above_a[offset] + above_b[offset] for offset in above_a.keys() & above_b.keys()))

    def word_similarity(self, a: str, b: str) -> float:
        """The largest path similarity of any two of their meanings; 0 if one of them is not in WordNet."""
        pairs = ((x, y) for x in self.synsets(a) for y in self.synsets(b))
        return max((self.path_similarity(x, y) for x, y in pairs), default=0.0)

    def _distances(self, synset: Synset) -> dict[int, int]:
        """Steps to the synset itself and to each of its hypernyms, at any height."""
        distances = {synset.offset: 0}
        level = [synset]
        steps = 0
        while level:
            steps += 1
            level = [
                self.synset(offset)
                for offset in dict.fromkeys(above for below in level for above in below.hypernyms)
                if offset not in distances
            ]
            distances.update((above.offset, steps) for above in level)
        return distances

    @cached_property
    def _index(self) -> dict[str, list[int]]:
        """Synset offsets of each word, the most frequent meaning first."""
        index = {}
        for line in _lines(self.folder / "index.noun"):
            fields = line.split()
            index[fields[0].replace("_", " ")] = [int(offset) for offset in fields[-int(fields[2]) :]]
        return index

    @cached_property
    def _exceptions(self) -> dict[str, list[str]]:
        exceptions: dict[str, list[str]] = {}
        for line in _lines(self.folder / "noun.exc"):
            form, *bases = line.split()
            exceptions.setdefault(_plain(form), []).extend(_plain(base) for base in bases)
        return exceptions

    @cached_property
    def _synsets(self) -> dict[int, Synset]:
        return {}

    @cached_property
    def _data(self) -> bytes:
        return (self.folder / "data.noun").read_bytes()

    def _read(self, offset: int) -> Synset:
        line = self._data[offset : self._data.index(b"\n", offset)].decode("utf-8")
        fields = line.partition(" | ")[0].split()
        words = int(fields[3], 16)
        pointers = fields[4 + 2 * words :]
        hypernyms = tuple(int(pointers[i + 1]) for i in range(1, 4 * int(pointers[0]), 4) if pointers[i] in _HYPERNYM)
        return Synset(offset, tuple(_plain(word) for word in fields[4 : 4 + 2 * words : 2]), hypernyms)


def _plain(word: str) -> str:
    return " ".join(word.lower().replace("_", " ").split())


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("  ") and line.strip():  # the licence is indented
                yield line


def dictionary_folders() -> list[Path]:
    """Where WordNet's files are looked for, in this order."""
    named = os.environ.get("WORDNET_DICT")
    data = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    data += [Path.home() / "nltk_data", Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data")]
    folders = [Path(named)] if named else []
    folders += [Path("/usr/share/wordnet"), Path("/usr/share/wordnet/dict"), Path("/usr/local/WordNet-3.0/dict")]
    return folders + [folder / "corpora" / "wordnet" for folder in data]


@cache
def find_wordnet() -> WordNet | None:
    """The WordNet of this machine, or None where its files are not installed."""
    for folder in dictionary_folders():
        if all((folder / name).is_file() for name in FILES):
            return WordNet(folder)
    return None

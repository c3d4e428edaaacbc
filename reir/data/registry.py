"""Data sets that have a name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from reir.errors import DatasetError


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A data set that is found by name: where its file is, and what it is."""

    name: str
    path: Path
    about: str
    licence: str


_ENTRIES = (
    DatasetEntry(
        "demo",
        Path(__file__).parent / "demo" / "demo.json",
        "emoji scenes of the test split with their expressions, shipped with reir",
        "SIL Open Font License 1.1 (the glyphs, Noto Color Emoji)",
    ),
)


def registered_datasets() -> tuple[DatasetEntry, ...]:
    """Every data set that has a name."""
    return _ENTRIES


def find_dataset(path_or_name: str | Path) -> Path:
    """The JSON file of a registered name, or the given path.

    Raises:
        DatasetError: it is neither; the message lists the names that are near, or all.
    """
    for entry in _ENTRIES:
        if str(path_or_name) == entry.name:
            return entry.path
    path = Path(path_or_name)
    if path.is_file():
        return path
    names = [entry.name for entry in _ENTRIES]
    hint = " or ".join(difflib.get_close_matches(str(path_or_name), names) or names)
    cause = "is a folder, not a JSON file" if path.is_dir() else "is neither a JSON file nor the name of a data set"
    raise DatasetError(f"{path_or_name} {cause}. Give a file, or the name {hint}")

"""Old pickles of plain data, read without running anything that stands in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from reir.errors import DatasetError


class _PlainUnpickler(pickle.Unpickler):
    """Containers, texts and numbers only. A pickle runs code by naming a class or function to be called; here every
    such name is refused, so that nothing is ever imported or called.
    """

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and only plain data is read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError(f"it points to something outside itself ({pid!r:.40})")


def read_pickle(path: Path) -> Any:
    """The lists, dicts, texts and numbers of a pickle file, also of Python 2.

    Byte strings of Python 2 become texts letter by letter (latin-1), so that none is refused; ``mended`` puts those
    right that were UTF-8.

    Raises:
        DatasetError: it cannot be read, is no pickle, or holds anything else than plain data. Nothing of it has run.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="latin-1").load()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # A hostile or damaged pickle makes the unpickler raise nearly anything.
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise DatasetError(f"{path} is refused as a pickle of plain data: {cause}") from error


def mended(text: str) -> str:
    """A text of ``read_pickle`` whose bytes were UTF-8 rather than latin-1, as it was meant."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text

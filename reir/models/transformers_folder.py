"""What transformers loads from a folder, without its progress bars and notes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reir.errors import UsageError


@contextmanager
def loading_from(folder: Path) -> Iterator[None]:
    """Around calls of ``from_pretrained``: the library is silent, and says by an error what it cannot load.

    Missing weights are no error to it: ask for ``output_loading_info`` and look at them.

    Raises:
        UsageError: the folder's files are missing or damaged.
    """
    from transformers.utils import logging

    shown, spoken = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except Exception as error:  # The library raises a dozen kinds for damaged files.
        cause = " ".join(str(error).split())[:300]
        raise UsageError(f"{folder} cannot be loaded ({cause}). Copy it again") from error
    finally:
        logging.set_verbosity(spoken)
        if shown:
            logging.enable_progress_bar()

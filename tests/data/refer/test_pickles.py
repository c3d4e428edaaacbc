"""Pickles from the net are read without running what stands in them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from reir.data.refer import read_pickle
from reir.data.refer.pickles import mended
from reir.errors import DatasetError
from tests.data.refer.original import python2_pickle

PLAIN = [{"tokens": ["a", "b"], "sent_id": 3, "area": 1.5, "none": None, "big": 1 << 70, "pair": (1, True)}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(PLAIN, protocol=protocol))
    assert read_pickle(path) == PLAIN


def test_byte_strings_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(python2_pickle({"raw": "d\u00f6g"}))
    assert b"raw" in path.read_bytes()
    assert read_pickle(path) == {"raw": "d\u00c3\u00b6g"}
    assert mended("d\u00c3\u00b6g") == "d\u00f6g"
    assert mended("caf\u00e9") == "caf\u00e9"
    assert mended("\u4f60") == "\u4f60"
    path.write_bytes(b"(dp0\nS'raw'\np1\nS'man \\xe9'\np2\ns.")  # protocol 0
    assert read_pickle(path) == {"raw": "man \u00e9"}


class Runs:
    """Makes a folder when it is unpickled by Python's own means."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_would_run_is_refused_and_has_not_run(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps([PLAIN, Runs(tmp_path / "made")], protocol=protocol))
    with pytest.raises(DatasetError, match=r"names (posix|nt|os)\.mkdir, and only plain data is read"):
        read_pickle(path)
    assert not (tmp_path / "made").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"Pelsewhere\n.",
        b"\x80\x02ccopyreg\n_reconstructor\n.",
        b"",
        b"\x80\x02",
        b"no pickle at all",
        pickle.dumps(PLAIN)[:-9],
    ],
)
def test_other_and_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="is refused as a pickle of plain data"):
        read_pickle(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_pickle(tmp_path / "none.p")

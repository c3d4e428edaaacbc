"""Hashes of weight files: right, remembered, and noticed when a file changes."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from reir.errors import WeightsMissingError
from reir.models.hub import compute_sha256, digest_of_folder, hashes, sha256_of

LARGE = bytes(range(256)) * 8_000


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file large enough to be remembered, and an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.safetensors"
    path.write_bytes(LARGE)
    return path


def test_a_remembered_hash_is_not_computed_again(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = hashlib.sha256(LARGE).hexdigest()
    assert sha256_of(weights) == compute_sha256(weights) == truth
    computed: list[Path] = []
    monkeypatch.setattr(hashes, "compute_sha256", lambda path: computed.append(path) or "0" * 64)
    link = weights.with_name("link")
    link.symlink_to(weights)
    assert sha256_of(weights) == sha256_of(link) == truth
    assert computed == []


def test_a_changed_file_is_hashed_again(weights: Path) -> None:
    before = sha256_of(weights)
    stamp = weights.stat().st_mtime_ns
    weights.write_bytes(LARGE[::-1])
    os.utime(weights, ns=(stamp, stamp + 1))
    assert sha256_of(weights) == hashlib.sha256(LARGE[::-1]).hexdigest() != before


def test_a_damaged_note_is_replaced(weights: Path) -> None:
    truth = sha256_of(weights)
    (note,) = (user_cache_path("reir") / "sha256").iterdir()
    for rubbish in (b"", b"\xff\xfe", note.read_bytes()[:-10]):
        note.write_bytes(rubbish)
        assert sha256_of(weights) == truth
    assert note.read_text().endswith(truth)


def test_a_cache_that_cannot_be_written_is_done_without(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (weights.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(weights.parent / "file"))
    assert sha256_of(weights) == hashlib.sha256(LARGE).hexdigest()


def test_several_at_once(weights: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(sha256_of(weights))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {hashlib.sha256(LARGE).hexdigest()}
    assert len(found) == 8


def test_a_folders_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    for name, text in (("b.json", "1"), ("a.json", "2"), ("sub/c.json", "3"), ("notes.md", "4")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    first = digest_of_folder(tmp_path, ["*.json"])
    (tmp_path / "notes.md").write_text("other")
    assert digest_of_folder(tmp_path, ["*.json"]) == first
    (tmp_path / "sub/c.json").write_text("5")
    assert digest_of_folder(tmp_path, ["*.json"]) != first
    (tmp_path / "sub/c.json").write_text("3")
    (tmp_path / "a.json").rename(tmp_path / "d.json")
    assert digest_of_folder(tmp_path, ["*.json"]) != first
    with pytest.raises(WeightsMissingError, match=r"holds no \*.safetensors"):
        digest_of_folder(tmp_path, ["*.safetensors"])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="no file"):
        sha256_of(tmp_path / "none")

"""Single files at plain addresses: fetched once, resumed, and held to the hash in their name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reir.errors import WeightsMissingError
from reir.models.hub import (
    FileSource,
    HubSource,
    check_source,
    find_published_file,
    is_here,
    plan_download,
    plan_file,
    published_file,
    sha256_of,
    stream,
)
from reir.models.hub import sources as known_sources
from tests.models.hub.conftest import REPO
from tests.models.hub.server import COMMIT, TinyHub

CONTENT = bytes(range(256)) * 12_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


def source(hub: TinyHub, digest: str = DIGEST) -> FileSource:
    hub.repositories["torch/models"] = {"detector.pth": CONTENT}
    return FileSource(f"{hub.url}/torch/models/resolve/{COMMIT}/detector.pth", "torchvision", digest)


def test_fetched_once_into_torchs_own_cache(hub: TinyHub, tmp_path: Path) -> None:
    detector = source(hub)
    assert not is_here(detector)
    plan = plan_file(detector)
    assert plan.size == len(CONTENT)
    assert plan.run() == tmp_path / "cache/torch/hub/checkpoints/detector.pth"
    assert detector.path.read_bytes() == CONTENT
    assert is_here(detector)
    before = len(hub.requests)
    assert plan_file(detector).size == 0
    carried = plan_file(detector, to=tmp_path / "carried")
    assert carried.size == len(CONTENT)
    assert carried.run().read_bytes() == CONTENT
    assert len(hub.requests) == before


def test_a_download_that_broke_off_goes_on(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = source(hub)
    monkeypatch.setattr(stream, "_PAUSE", 0.0)
    hub.cut["detector.pth"] = 2_000_000
    hub.down_after_cut = True
    with pytest.raises(WeightsMissingError, match="goes on where it stopped"):
        plan_file(detector).run()
    left = detector.path.with_name("detector.pth.part").stat().st_size
    assert 0 < left <= 2_000_000
    hub.down_after_cut = False
    assert plan_file(detector).run().read_bytes() == CONTENT
    assert hub.requests[-1][1].endswith(f"bytes={left}-")


def test_what_is_not_as_published_is_not_kept(hub: TinyHub) -> None:
    detector = source(hub, "00000000")
    with pytest.raises(WeightsMissingError, match="does not begin with 00000000"):
        plan_file(detector).run()
    assert list(detector.path.parent.iterdir()) == []


def test_a_damaged_file_is_found_and_fetched_anew(hub: TinyHub) -> None:
    detector = source(hub)
    plan_file(detector).run()
    assert [file.state for file in check_source(detector)] == ["whole"]
    detector.path.write_bytes(CONTENT[::-1])
    assert [file.state for file in check_source(detector)] == ["damaged"]
    plan_file(detector).run()
    assert [file.state for file in check_source(detector)] == ["whole"]


def test_without_a_network(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = source(hub)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsMissingError, match="curl -fL") as caught:
        plan_file(detector)
    assert str(detector.path) in str(caught.value)


def test_damage_that_leaves_size_and_time_is_found(hub: TinyHub) -> None:
    detector = source(hub)
    plan_file(detector).run()
    assert sha256_of(detector.path).startswith(DIGEST)
    facts = detector.path.stat()
    detector.path.write_bytes(CONTENT[::-1])
    os.utime(detector.path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert [file.state for file in check_source(detector)] == ["damaged"]
    assert plan_file(detector).run().read_bytes() == CONTENT


def test_a_file_of_unknown_hash_is_not_called_whole(hub: TinyHub) -> None:
    weights = source(hub, "")
    plan_file(weights).run()
    assert [(file.state, file.by) for file in check_source(weights)] == [("unknown", None)]


def test_a_copy_that_lacks_a_file_is_not_whole(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = HubSource(REPO, files=("config.json", "model.safetensors"))
    monkeypatch.setattr(known_sources, "HUB_SOURCES", {REPO: whole})
    folder = plan_download(HubSource(REPO, files=("config.json",))).run()
    found = {file.path: file.state for file in check_source(whole)}
    assert found == {folder / "config.json": "whole", folder / "model.safetensors": "missing"}


def test_files_at_plain_addresses_are_held_to_the_hash_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenAI publishes its own; where a repository of the hub has them too, that is asked."""
    monkeypatch.setenv("HOME", str(tmp_path))
    digest = hashlib.sha256(b"whole").hexdigest()
    source = published_file(f"https://openaipublic.azureedge.net/clip/models/{digest}/ViT-B-32.pt")
    with pytest.raises(WeightsMissingError, match=f"curl -fL --create-dirs -o {source.path} {source.url}"):
        find_published_file(source, what="ViT-B-32__openai")
    source.path.parent.mkdir(parents=True)
    source.path.write_bytes(b"whol")
    with pytest.raises(WeightsMissingError, match=f"is damaged: its SHA-256 does not begin with {digest}"):
        find_published_file(source, what="ViT-B-32__openai")
    source.path.write_bytes(b"whole")
    assert find_published_file(source, what="ViT-B-32__openai") == source.path
    assert published_file("https://github.com/mlfoundations/open_clip/releases/x/vit_b_32-abcd12.pt").sha256 == "abcd12"
    assert published_file("https://dl.fbaipublicfiles.com/MMPT/metaclip/b32.pt").sha256 == ""

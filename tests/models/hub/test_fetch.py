"""Downloads from a hub in this process: what is fetched, resumed, checked and recorded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from reir.errors import WeightsMissingError
from reir.models.hub import HubSource, find_folder, plan_download, stream
from reir.models.hub import sources as known_sources
from tests.models.hub.conftest import FILES, NEEDED, REPO
from tests.models.hub.server import COMMIT, LARGE, TinyHub, git_sha1

SOURCE = HubSource(REPO)


def pin(monkeypatch: pytest.MonkeyPatch, source: HubSource) -> HubSource:
    monkeypatch.setattr(known_sources, "HUB_SOURCES", {source.repo: source})
    return source


def test_what_is_needed_is_fetched_once(hub: TinyHub) -> None:
    plan = plan_download(SOURCE)
    assert [file.name for file in plan.missing] == NEEDED
    assert plan.size == sum(len(FILES[name]) for name in NEEDED)
    folder = plan.run()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: FILES[name] for name in NEEDED}
    assert find_folder(REPO, patterns=["*.safetensors", "config.json"]) == folder
    before = len(hub.requests)
    again = plan_download(SOURCE)
    assert again.missing == ()
    assert again.run() == folder
    assert len(hub.requests) == before + 1  # the listing


def test_a_connection_that_breaks_is_taken_up_again(hub: TinyHub) -> None:
    hub.cut["model.safetensors"] = 1_000_000
    folder = plan_download(SOURCE).run()
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert len(ranges(hub)) == 1


def test_the_next_run_goes_on_where_the_last_one_stopped(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stream, "_PAUSE", 0.0)
    for to in (None, tmp_path / "carried"):
        hub.cut["model.safetensors"] = 1_000_000
        hub.down_after_cut = True
        with pytest.raises(WeightsMissingError, match="it goes on where it stopped"):
            plan_download(SOURCE, to=to).run()
        hub.down_after_cut = False
        asked = len(hub.requests)
        folder = plan_download(SOURCE, to=to).run()
        assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
        (start,) = ranges(hub, asked)
        assert 0 < start <= 1_000_000
        shutil.rmtree(folder)


def test_the_cache_is_that_of_the_hubs_own_library(hub: TinyHub) -> None:
    from huggingface_hub import try_to_load_from_cache

    folder = plan_download(SOURCE).run()
    for name in NEEDED:
        for revision in (COMMIT, None):  # None: the main branch, as programs ask that pin nothing
            found = try_to_load_from_cache(REPO, name, revision=revision, cache_dir=folder.parents[2])
            assert found == str(folder / name)
        digest = hashlib.sha256(FILES[name]).hexdigest()
        assert (folder / name).resolve().name == (digest if len(FILES[name]) >= LARGE else git_sha1(FILES[name]))


def test_a_plain_folder_can_be_carried_away(hub: TinyHub, tmp_path: Path) -> None:
    folder = plan_download(SOURCE, to=tmp_path / "carried").run()
    assert folder == tmp_path / "carried"
    assert sorted(os.listdir(folder)) == sorted([*NEEDED, "reir-weights.json"])  # noqa: PTH208
    record = json.loads((folder / "reir-weights.json").read_text())
    assert (record["repo"], record["revision"]) == (REPO, COMMIT)
    assert sorted(record["sha256"]) == NEEDED
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_plain_folder_is_copied_from_the_cache(hub: TinyHub, tmp_path: Path) -> None:
    plan_download(SOURCE).run()
    before = len(hub.requests)
    plan_download(SOURCE, to=tmp_path / "carried").run()
    assert len(hub.requests) == before + 1
    assert (tmp_path / "carried/model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_damaged_file_is_found_at_the_next_use_and_fetched_anew(hub: TinyHub) -> None:
    folder = plan_download(SOURCE).run()
    damage(folder / "model.safetensors")
    with pytest.raises(WeightsMissingError, match=r"model.safetensors is damaged.*\n?.*reir models download") as caught:
        find_folder(REPO)
    assert REPO in str(caught.value)
    plan = plan_download(SOURCE)
    assert [file.name for file in plan.missing] == ["model.safetensors"]
    assert plan.run() == find_folder(REPO) == folder


def test_what_arrives_damaged_is_not_kept(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_download(SOURCE)
    hub.repositories[REPO]["model.safetensors"] = FILES["model.safetensors"][::-1]
    with pytest.raises(WeightsMissingError, match="did not arrive as it is published"):
        plan.run()
    with pytest.raises(WeightsMissingError):
        find_folder(REPO, patterns=["model.safetensors"])


@pytest.mark.parametrize("size", [100, len(FILES["model.safetensors"]) + 1])
def test_a_page_in_place_of_a_file_ends_the_download(hub: TinyHub, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What a network's guard sends, again and again, for what it does not let through."""
    monkeypatch.setattr(stream, "_PAUSE", 0.0)
    hub.instead["model.safetensors"] = b"?" * size
    with pytest.raises(WeightsMissingError, match=r"the server (ends before the file does|sends more than)"):
        plan_download(SOURCE).run()
    assert len(hub.requests) < 12
    hub.instead.clear()
    folder = plan_download(SOURCE).run()
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_file_that_a_folder_only_links_to_stays(hub: TinyHub, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"years of work")
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried/model.safetensors").symlink_to(own)
    plan_download(SOURCE, to=tmp_path / "carried").run()
    assert own.read_bytes() == b"years of work"
    assert (tmp_path / "carried/model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not (tmp_path / "carried/model.safetensors").is_symlink()


def test_a_pinned_hash_is_above_what_the_hub_states(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pin(monkeypatch, HubSource(REPO, revision=COMMIT, sha256={"model.safetensors": "0" * 64}))
    with pytest.raises(WeightsMissingError, match=r"another hash for model\.safetensors than the one pinned"):
        plan_download(source)
    small = pin(monkeypatch, HubSource(REPO, revision=COMMIT, sha256={"config.json": "0" * 64}))
    with pytest.raises(WeightsMissingError, match=r"config\.json did not arrive as it is published"):
        plan_download(small).run()


def test_a_hub_that_changes_a_commit_is_refused(hub: TinyHub) -> None:
    plan_download(SOURCE).run()
    hub.repositories[REPO]["model.safetensors"] = FILES["model.safetensors"][::-1]
    with pytest.raises(WeightsMissingError, match=r"another hash for model\.safetensors than the one on record"):
        plan_download(SOURCE)


def test_a_later_commit_of_the_main_branch_changes_nothing(hub: TinyHub) -> None:
    folder = plan_download(SOURCE).run()
    other = folder.parent / ("f" * 40)
    other.mkdir()
    (folder.parents[1] / "refs").mkdir(exist_ok=True)
    (folder.parents[1] / "refs/main").write_text(other.name)
    assert find_folder(REPO) == folder


def test_a_copy_that_lacks_a_file(hub: TinyHub) -> None:
    folder = plan_download(SOURCE).run()
    with pytest.raises(WeightsMissingError, match=r"has no preprocessor_config\.json"):
        find_folder(REPO, patterns=["preprocessor_config.json"])
    (folder / "vocab.json").unlink()
    with pytest.raises(WeightsMissingError, match=r"has no vocab\.json"):
        find_folder(REPO)


def test_an_unknown_repository(hub: TinyHub) -> None:
    with pytest.raises(WeightsMissingError, match="answers 404 for somebody/else"):
        plan_download(HubSource("somebody/else"))


def ranges(hub: TinyHub, since: int = 0) -> list[int]:
    """Where ranged requests for the weights began."""
    paths = [path for _, path in hub.requests[since:] if "model.safetensors bytes=" in path]
    return [int(path.rpartition("=")[2].rstrip("-")) for path in paths]


def damage(path: Path) -> None:
    """Change one byte and leave the size."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))

"""``reir info``, ``doctor``, ``compact``, ``remove`` and ``export``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Reir


def test_info(command: Reir, indexed: Path) -> None:
    facts = command("info", "--json").json
    assert set(facts) == {
        *("db", "root", "model", "settings", "created_at", "snapshot", "images", "instances", "failed", "bytes")
    }
    assert facts["model"] == {"name": "grid-colour", "fingerprint": "grid-colour-1-2", "dimension": 3}
    assert (facts["images"], facts["instances"], facts["failed"]) == (3, 12, 0)
    lines = dict(line.split(maxsplit=1) for line in command("info").out.splitlines())
    assert lines["gallery"] == str(indexed)
    assert lines["objects"] == "12"


def test_doctor_of_a_healthy_index(command: Reir, indexed: Path) -> None:
    done = command("doctor")
    assert (done.code, done.out) == (0, "")
    assert "healthy" in done.err
    assert command("doctor", "--json").json["findings"] == []


def test_doctor_finds_and_mends_damage(command: Reir, indexed: Path) -> None:
    (damaged,) = indexed.glob(".reir/segments/*/vectors*")
    content = bytearray(damaged.read_bytes())
    content[-3] ^= 255
    damaged.write_bytes(content)
    looked = command("doctor", "--json")
    assert (looked.code, looked.json["healthy"]) == (1, False)
    assert damaged.name in looked.json["findings"][0]["path"]
    assert damaged.name in command("doctor").out
    mended = command("doctor", "--repair", "--json")
    assert (mended.code, mended.json["healthy"]) == (0, True)
    assert mended.json["mended"]
    assert command("search", "red", "-t", "1").out.startswith("1\t1.000\ta/red.png")


def test_remove_and_compact(command: Reir, indexed: Path) -> None:
    assert command("remove", "a/red.png").out == "removed 1 picture from the index\n"
    assert "red.png" not in command("search", "red", "--paths-only").out.replace("no-red.png", "")
    assert command("remove", "a", "--json").json == {"removed": 1, "snapshot": 3}
    nothing = command("remove", "a")
    assert nothing.code == 2
    assert "nothing in the index" in nothing.err
    assert command("remove").code == 2
    assert command("compact").code == 0
    assert command("info", "--json").json["instances"] == 4
    assert command("doctor").code == 0
    assert (indexed / "a/red.png").exists()


def test_export(command: Reir, indexed: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    done = command("export", tmp_path / "all.parquet")
    assert (done.code, done.out) == (0, "")
    table = pq.read_table(tmp_path / "all.parquet")
    assert len(table) == 12
    assert set(table.column("path").to_pylist()) == {"a/red.png", "a/yellow.png", "b/no-red.png"}


def test_each_needs_an_index(command: Reir, tmp_path: Path) -> None:
    for arguments in (["info"], ["doctor"], ["compact"], ["remove", "x"], ["export", "x.parquet"], ["search", "red"]):
        done = command(*arguments, "--db", tmp_path / "none")
        assert (done.code, done.out) == (1, "")
        assert "no index at" in done.err

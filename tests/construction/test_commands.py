"""The commands, from annotated pictures to a data set that ``reir eval`` reads, against a server and a real index."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reir.cli.app import run
from reir.data import find_dataset, load_dataset
from tests.cli.conftest import Done, Reir
from tests.construction.chat_server import Body, ChatServer, Reply, facts_of, good, wanted_of
from tests.construction.galleries import paint_gallery

ROOT = Path(__file__).parents[2]


def generate(command: Reir, folder: Path, url: str, *more: str) -> Done:
    fixed = ("--captions", folder / "captions.json", "--out", folder / "out.json", "--endpoint", url, "--model", "seer")
    return command("data", "generate", folder / "instances.json", *fixed, *more)


def test_an_estimate_is_printed_and_nothing_is_asked_or_written(command: Reir, tmp_path: Path) -> None:
    paint_gallery(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with ChatServer(good) as server:
        prices = ("--price-in", "2", "--price-out", "10")
        done = generate(command, tmp_path, server.url, "--dry-run", "--json", *prices)
        assert server.received == []
    assert done.code == 0
    assert (done.json["pictures"], done.json["instances"], done.json["requests"]) == (3, 9, 3)
    tokens = done.json["prompt_tokens"], done.json["completion_tokens"]
    assert 3 * 1000 < tokens[0] < 3 * 3000
    assert tokens[1] == 9 * 130 + 3 * 10
    assert done.json["cost"] == pytest.approx((tokens[0] * 2 + tokens[1] * 10) / 1e6, abs=1e-4)
    assert sorted(tmp_path.rglob("*")) == before


def test_above_the_limit_consent_is_needed(command: Reir, tmp_path: Path) -> None:
    paint_gallery(tmp_path)
    with ChatServer(good) as server:
        prices = ("--price-in", "200", "--price-out", "1000")
        done = generate(command, tmp_path, server.url, *prices)
        assert done.code == 2
        assert "--ask-above" in done.err
        assert server.received == []
        done = generate(command, tmp_path, server.url, *prices, "--yes", "--json")
    assert done.code == 0
    assert done.json["instances"] == {"good": 9, "poor": 6}
    assert done.json["ledger"]["cost"] == pytest.approx(3 * (1000 * 200 + 100 * 1000) / 1e6)


def test_failures_end_with_3_and_are_named(command: Reir, tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=2)

    def brain(body: Body, number: int) -> Reply:
        return Reply("no") if facts_of(body)["captions"] == ["Coloured blocks, 1."] else good(body)

    with ChatServer(brain) as server:
        done = generate(command, tmp_path, server.url, "--json", "--turns", "2")
    assert done.code == 3
    assert set(done.json["failed"]) == {"101", "102", "103"}
    assert "not JSON" in done.json["failed"]["101"]
    assert done.json["instances"] == {"good": 3, "failed": 3, "poor": 4}
    assert "instance 101 failed" in done.err


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    command: Reir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    paint_gallery(tmp_path)
    with ChatServer(good) as server:
        assert generate(command, tmp_path, server.url, "--key-env", "MY_KEY").code == 2
        monkeypatch.setenv("MY_KEY", "sk-hidden-42")
        done = generate(command, tmp_path, server.url, "--key-env", "MY_KEY", "--json")
        assert {one.headers["Authorization"] for one in server.received} == {"Bearer sk-hidden-42"}
    assert done.code == 0
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert all(b"sk-hidden" not in content for content in written)
    assert "sk-hidden" not in done.out + done.err + caplog.text


def test_ctrl_c_leaves_a_state_to_go_on_from(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=10)
    with ChatServer(lambda body, number: Reply(good(body).text, delay=0.1)) as server:
        code = "import sys; from reir.cli import main; sys.exit(main())"
        arguments = ["data", "generate", tmp_path / "instances.json", "--out", tmp_path / "out.json"]
        arguments += ["--endpoint", server.url, "--model", "seer", "--concurrency", "1", "--json"]
        call = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(
            call, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 120
        while len(server.received) < 3 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        before = len(server.received)
        assert process.returncode == 130, err
        assert "run the same command again" in err
        assert json.loads(out)["instances"]["good"] == 3 * before
        assert before < 10
        assert run([str(one) for one in arguments]) == 0
        assert len(server.received) == 10


def reader(body: Body, number: int) -> Reply:
    """A filter that keeps the first three phrases of each instance."""
    told = {one["number"]: one["phrases"] for one in facts_of(body)["instances"]}
    entries = [
        {
            "number": n,
            "phrases": [{"text": one["text"], "verdict": "kept", "from": [one["index"]]} for one in told[n][:3]],
        }
        for n in wanted_of(body)
    ]
    return Reply(json.dumps({"instances": entries}))


def test_from_annotations_of_the_demo_gallery_to_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With clare-tiny's own index, on scenes of the demo gallery whose expressions were taken away."""

    def reir(*arguments: object) -> Done:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    demo = find_dataset("demo")
    content = json.loads(demo.read_text())
    images = [{key: one[key] for key in ("id", "file_name", "width", "height")} for one in content["images"][:10]]
    ids = {one["id"] for one in images}
    boxes = [
        {key: one[key] for key in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")}
        for one in content["annotations"]
        if one["image_id"] in ids
    ]
    source = tmp_path / "instances.json"
    source.write_text(json.dumps({"images": images, "annotations": boxes, "categories": content["categories"]}))
    (tmp_path / "images").mkdir()
    for image in images:
        shutil.copy(demo.parent / "images" / image["file_name"], tmp_path / "images")

    with ChatServer(good) as server:
        endpoint = ("--endpoint", server.url, "--model", "seer")
        done = reir("data", "generate", source, "--out", tmp_path / "out.json", *endpoint, "--json")
        assert done.code == 0, done.err
        described = done.json["instances"]["good"]
        assert done.json["descriptions"] == 5 * described
        assert described >= len(boxes) - 5
        server.brain = reader
        first = tmp_path / "set"
        done = reir("data", "filter", tmp_path / "out.json", "--out", first, *endpoint, "--json")
        assert done.code == 0, done.err
        assert done.json["verdicts"] == {"kept": 3 * described, "dropped": 2 * described}

    assert (
        reir("index", tmp_path / "images", "--db", tmp_path / "db", "--model", "clare-tiny", "--workers", 0).code == 0
    )
    rest = ("--images", tmp_path / "images", "--db", tmp_path / "db", "--json")
    done = reir("data", "filter", first / "expressions.json", "--out", tmp_path / "two", "--rivals", "drop", *rest)
    assert done.code == 0, done.err
    flags = [json.loads(line) for line in (tmp_path / "two/flags.jsonl").read_text().splitlines()]
    against = [flag for flag in flags if flag["kind"] != "unseen"]
    assert done.json["expressions"] == 3 * described - len(against)
    assert all(flag["rivals"] for flag in against)
    data = load_dataset(tmp_path / "two/expressions.json", images=tmp_path / "images")
    assert len(data.queries) == done.json["expressions"]
    assert not {(flag["expression"], flag["file_name"]) for flag in against} & {
        (query.text, query.file_name) for query in data.queries
    }
    sheet = reir(
        "data", "audit", first / "expressions.json", "--images", tmp_path / "images", "--out", tmp_path / "audit"
    )
    assert sheet.code == 0
    assert (tmp_path / "audit/sheet.jpg").stat().st_size > 10_000


def test_what_cannot_be_done_is_said(command: Reir, tmp_path: Path) -> None:
    source = paint_gallery(tmp_path)
    assert "generate" in command("data", "filter", source, "--out", tmp_path / "set", "--db", tmp_path).err
    assert "--endpoint URL" in command("data", "generate", source, "--out", tmp_path / "out.json").err
    one = command(
        "data",
        "generate",
        source,
        "--out",
        tmp_path / "o",
        "--endpoint",
        "http://localhost:1/v1",
        "--model",
        "m",
        "--budget",
        "3",
    )
    assert (one.code, "--budget needs" in one.err) == (2, True)
    server = ("--endpoint", "http://localhost:1/v1", "--model", "m")
    itself = command("data", "generate", source, "--out", source, *server)
    assert (itself.code, "over itself" in itself.err) == (2, True)
    folder = command("data", "generate", source, "--out", tmp_path / "images", *server)
    assert (folder.code, "is a folder" in folder.err) == (2, True)
    for asked in (("generate", source, "--out", tmp_path / "o", *server), ("audit", source, "--out", tmp_path / "a")):
        nowhere = command("data", *asked, "--images", tmp_path / "nowhere")
        assert (nowhere.code, "--images DIR" in nowhere.err) == (1, True)
    assert not list(tmp_path.glob("*.journal"))
    done = tmp_path / "described.json"
    content = json.loads(source.read_text())
    content["annotations"][0]["expressions"] = ["a dog on the left"]
    done.write_text(json.dumps(content))
    again = command("data", "filter", done, "--out", tmp_path / "set", *server)
    assert (again.code, "filtered already" in again.err) == (2, True)
    over = command("data", "filter", done, "--out", tmp_path)
    assert (over.code, "holds described.json itself" in over.err) == (2, True)
    missing = command("data", "audit", tmp_path / "none.json", "--out", tmp_path / "audit")
    assert (missing.code, "none.json" in missing.err) == (1, True)

"""Answers, keys, journals and files that would break a run, or lose what was paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reir.construction import EndpointSettings, Journal, Limits, read_annotated, read_ids
from reir.construction.journal import Call
from reir.errors import ReirError, UsageError
from tests.construction.chat_server import Body, ChatServer, Reply, described, good
from tests.construction.galleries import paint_gallery
from tests.construction.runs import annotations, run


def half_a_letter(body: Body) -> str:
    content = described(body)
    content["instances"][0]["descriptions"][0] = "a dog \ud83d"
    return json.dumps(content)


@pytest.mark.parametrize("bad", [lambda body: "[" * 20_000, lambda body: "a dog \ud83d", half_a_letter])
def test_an_answer_that_cannot_be_read_or_stored_is_asked_again(tmp_path: Path, bad: Any) -> None:
    paint_gallery(tmp_path, pictures=1)
    with ChatServer(lambda body, number: Reply(bad(body)) if number == 0 else good(body)) as server:
        done = run(tmp_path, server.url)
        assert len(server.received) == 2
    assert (done.failed, done.qualities) == ({}, {"good": 3, "poor": 2})


@pytest.mark.parametrize("key", ["abc\ndef", "abc def", "clé"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(UsageError, match="--key-env") as refused:
        EndpointSettings("https://example.com/v1", "seer", key)
    assert key not in str(refused.value)


def test_asking_again_about_what_failed_keeps_what_is_good(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=1)

    def spoilt(place: int) -> Any:
        def brain(body: Body, number: int) -> Reply:
            content = described(body)
            for one in content["instances"]:
                if one["number"] == place:
                    one["descriptions"] = []
                elif place == 1:
                    one["descriptions"] = [f"new {text}" for text in one["descriptions"]]
            return Reply(json.dumps(content))

        return brain

    with ChatServer(spoilt(3)) as server:
        assert set(run(tmp_path, server.url, limits=Limits(turns=1)).failed) == {103}
        before = annotations(tmp_path)
        server.brain = spoilt(1)
        assert run(tmp_path, server.url, limits=Limits(turns=1), retry_failed=True).failed == {}
    after = annotations(tmp_path)
    assert [after[item]["expressions"] for item in (101, 102)] == [before[item]["expressions"] for item in (101, 102)]
    assert after[103]["expressions"][0].startswith("new ")


def call(cost: float | None) -> Call:
    return Call("describe", "a", "hash", None, "seer", 1, "200", 0.1, 10, 10, False, cost, "{}")


def test_what_was_spent_is_counted_beside_answers_without_a_price(tmp_path: Path) -> None:
    with Journal.beside(tmp_path / "out.json") as journal:
        for cost in (0.5, None, 0.25):
            journal.add(call(cost))
        assert journal.totals()["cost"] is None
        assert journal.spent() == 0.75


def test_a_budget_counts_what_earlier_runs_spent_without_a_price(tmp_path: Path) -> None:
    with Journal.beside(tmp_path / "described.json") as journal:
        journal.add(call(None))
        journal.add(call(9.0))
    with ChatServer(good) as server:
        assert run(tmp_path, server.url, limits=Limits(budget=5.0)).stopped == "budget"
        assert server.received == []


def test_settings_bind_a_step_that_has_results_alone(tmp_path: Path) -> None:
    with Journal.beside(tmp_path / "out.json") as journal:
        journal.bind("describe", {"model": "mistyped"})
        journal.bind("describe", {"model": "seer"})
        journal.record("describe", "a", {1: {"quality": "poor"}})
        with pytest.raises(UsageError, match="other settings"):
            journal.bind("describe", {"model": "mistyped"})


def test_a_ledger_with_foreign_lines_is_refused_and_the_journal_let_go(tmp_path: Path) -> None:
    with Journal.beside(tmp_path / "out.json") as journal:
        journal.add(call(1.0))
        ledger = journal.ledger
    ledger.write_text("a note of mine\n")
    with pytest.raises(ReirError, match="written anew"):
        Journal.beside(tmp_path / "out.json")
    ledger.unlink()
    with Journal.beside(tmp_path / "out.json"):
        assert len(ledger.read_text().splitlines()) == 1


def test_an_expression_or_a_caption_without_a_list_is_one(tmp_path: Path) -> None:
    path = paint_gallery(tmp_path, pictures=1)
    content = json.loads(path.read_text())
    content["annotations"][0]["expressions"] = "a green dog"
    content["images"][0]["captions"] = "Blocks."
    path.write_text(json.dumps(content))
    (picture,) = read_annotated(path).pictures
    assert picture.captions == ("Blocks.",)
    assert picture.instances[0].texts == ("a green dog",)


@pytest.mark.parametrize("content", ["", "7\nseven\n"])
def test_a_list_of_test_pictures_holds_ids(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ids.txt"
    path.write_text(content)
    with pytest.raises(UsageError, match="must hold image ids"):
        read_ids(path)

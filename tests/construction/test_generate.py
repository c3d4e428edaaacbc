"""Generation against a server that speaks the protocol: good answers, bad answers, faults of the wire."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reir.construction import DescribeSettings, EndpointError, EndpointSettings, Limits
from reir.data import load_dataset
from reir.errors import UsageError
from tests.construction.chat_server import Body, Brain, ChatServer, Reply, described, facts_of, good, wanted_of
from tests.construction.galleries import paint_gallery
from tests.construction.runs import annotations, ledger, run


def test_every_instance_is_described_or_poor_and_the_file_is_a_data_set(tmp_path: Path) -> None:
    with ChatServer(good) as server:
        done = run(tmp_path, server.url)
    assert done.failed == {}
    assert done.qualities == {"good": 9, "poor": 6}
    assert len(server.received) == 3
    found = annotations(tmp_path)
    assert [found[104]["quality"], found[105]["quality"]] == ["poor", "poor"]
    assert "6x6 pixels" in found[104]["cause"]
    assert found[105]["cause"] == "a crowd, not one thing"
    assert "expressions" not in found[104]
    data = load_dataset(tmp_path / "described.json")
    assert len(data.queries) == done.descriptions == 45
    assert data.queries[0].box == (10.0, 35.0, 60.0, 95.0)


def test_the_question_holds_picture_box_category_captions_and_neighbours(tmp_path: Path) -> None:
    with ChatServer(good) as server:
        run(tmp_path, server.url, limits=Limits(concurrency=1))
        body = server.received[0].body
    system, user = body["messages"]
    assert "exactly 5 phrases" in system["content"]
    url = user["content"][0]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))
    assert (picture.format, picture.size) == ("JPEG", (240, 160))
    facts = facts_of(body)
    assert facts["captions"] == ["Coloured blocks, 1."]
    assert facts["objects"][0] == {"number": 1, "category": "dog", "box": [0.042, 0.219, 0.25, 0.594], "place": "left"}
    assert [one["number"] for one in facts["describe"]] == [1, 2, 3]
    assert facts["describe"][0]["near"][0] == "left of lamp 2"
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    item = schema["schema"]["properties"]["instances"]["items"]
    assert item["properties"]["number"] == {"type": "integer", "enum": [1, 2, 3]}
    assert item["additionalProperties"] is False
    assert set(item["required"]) == set(item["properties"]) == {"number", "quality", "descriptions"}


def test_marks_and_cuts_are_drawn_and_sent(tmp_path: Path) -> None:
    with ChatServer(good) as server:
        run(tmp_path, server.url, settings=DescribeSettings(marks=True, cuts=True))
        system, user = server.received[0].body["messages"]
    assert "never mention" in system["content"]
    kinds = [part["type"] for part in user["content"]]
    assert kinds == ["image_url", *(["text", "image_url"] * 3), "text"]
    assert user["content"][1]["text"] == "number 1:"


def spoil(change: Any, times: int = 1) -> Brain:
    """A server whose first ``times`` answers about each picture are changed."""

    def brain(body: Body, number: int) -> Reply:
        content = described(body)
        asked_before = (len(body["messages"]) - 2) // 2
        return change(content) if asked_before < times else Reply(json.dumps(content))

    return brain


def edited(**fields: Any) -> Any:
    def change(content: dict[str, Any]) -> Reply:
        content["instances"][0] |= fields
        return Reply(json.dumps(content))

    return change


def all_alike(content: dict[str, Any]) -> Reply:
    texts = content["instances"][0]["descriptions"]
    return Reply(json.dumps({"instances": [one | {"descriptions": texts} for one in content["instances"]]}))


MENDABLE = {
    # name: what is done to a good answer about three instances, what the model is told, and for which it is asked again
    "malformed JSON": (lambda content: Reply(json.dumps(content)[:-9]), "not JSON", [1, 2, 3]),
    "empty": (lambda _: Reply(""), "empty", [1, 2, 3]),
    "no list": (lambda _: Reply('{"answer": 42}'), "no list 'instances'", [1, 2, 3]),
    "cut off at the limit": (lambda content: Reply(json.dumps(content)[:200], finish="length"), "not JSON", [1, 2, 3]),
    "wrong id": (edited(number=77), "77, which was not asked for", [1]),
    "missing instance": (lambda said: Reply(json.dumps({"instances": said["instances"][1:]})), "it is missing", [1]),
    "twice": (lambda said: Reply(json.dumps({"instances": said["instances"][:1] * 2})), "more than once", [1, 2, 3]),
    "too few": (edited(descriptions=["a dog on a rug"]), "it has 1 descriptions, exactly 5", [1]),
    "the same": (edited(descriptions=["a dog", "A dog.", "the dog", "dog!", "dog"]), "repeats another", [1]),
    "coordinates": (edited(descriptions=["dog at (10, 20)", "b c", "d e", "f g", "h i"]), "coordinates", [1]),
    "numbers": (edited(descriptions=["dog by object 2", "b c", "d e", "f g", "h i"]), "an object's number", [1]),
    "long": (edited(descriptions=["dog " * 40, "b c", "d e", "f g", "h i"]), "40 words", [1]),
    "another's words": (all_alike, "also given to number 1", [2, 3]),
    "wrong type": (edited(descriptions="a dog"), "descriptions: Input should be a valid list", [1]),
    "unknown field": (edited(confidence=0.9), "Extra inputs are not permitted", [1]),
}


@pytest.mark.parametrize("name", MENDABLE)
def test_an_answer_that_breaks_the_rules_is_asked_again_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    change, complaint, wrong = MENDABLE[name]
    paint_gallery(tmp_path, pictures=1)
    with ChatServer(spoil(change)) as server:
        done = run(tmp_path, server.url)
        assert len(server.received) == 2
        again = server.received[1].body
    assert done.failed == {}
    assert done.qualities["good"] == 3
    assert [message["role"] for message in again["messages"]] == ["system", "user", "assistant", "user"]
    assert complaint in again["messages"][-1]["content"]
    # What was good in the first answer is not asked for again.
    enum = again["response_format"]["json_schema"]["schema"]["properties"]["instances"]["items"]["properties"]["number"]
    assert enum["enum"] == wanted_of(again) == wrong


@pytest.mark.parametrize("dress", ["```json\n{}\n```", "Here you are:\n```\n{}\n```\nEnjoy.", "<think>{{1}}</think>{}"])
def test_json_in_a_fence_or_between_words_is_found(tmp_path: Path, dress: str) -> None:
    paint_gallery(tmp_path, pictures=1)

    def brain(body: Body, number: int) -> Reply:
        return Reply(dress.replace("{}", json.dumps(described(body))))

    with ChatServer(brain) as server:
        assert run(tmp_path, server.url).failed == {}
        assert len(server.received) == 1


def test_what_stays_wrong_fails_with_its_cause_and_is_not_paid_for_twice(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=1)
    with ChatServer(spoil(edited(descriptions=["one"]), times=9)) as server:
        done = run(tmp_path, server.url, limits=Limits(turns=2))
        assert len(server.received) == 2
        assert list(done.failed) == [101]
        assert "it has 1 descriptions" in done.failed[101]
        assert annotations(tmp_path)[101]["quality"] == "failed"
        assert annotations(tmp_path)[102]["quality"] == "good"
        assert run(tmp_path, server.url).failed == done.failed
        assert len(server.received) == 2
        server.brain = good
        assert run(tmp_path, server.url, retry_failed=True).failed == {}
        assert len(server.received) == 3


def test_poor_instances_may_be_told_in_our_way_or_the_papers(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=1)

    def brain(body: Body, number: int) -> Reply:
        content = described(body)
        content["instances"][0] |= {"quality": "poor", "descriptions": []}
        content["instances"][1] |= {"descriptions": ["Instance quality is poor."]}
        return Reply(json.dumps(content))

    with ChatServer(brain) as server:
        assert run(tmp_path, server.url).qualities == {"good": 1, "poor": 4}
    assert len(load_dataset(tmp_path / "described.json").queries) == 5


def test_a_doubtful_subject_is_a_warning_and_no_rejection(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=1)
    texts = ["the table holds a dog", "a dog here", "dog there", "small dog", "dog on show"]
    with ChatServer(spoil(edited(descriptions=texts), times=9)) as server:
        done = run(tmp_path, server.url)
    assert done.failed == {}
    assert done.warnings >= 1
    assert any("'table', not 'dog'" in said for said in annotations(tmp_path)[101]["warnings"])


# Faults of the wire


def once(fault: Reply, *, then: Brain = good) -> Brain:
    return lambda body, number: fault if number == 0 else then(body, number)


TRANSIENT = {
    "500": Reply(status=500, content="oops"),
    "503": Reply(status=503, content='{"error": {"message": "warming up"}}'),
    "no completion": Reply(content='{"hello": 1}'),
    "no JSON": Reply(content="<html>"),
    "closed midway": Reply(text="x" * 500, cut_off=True),
    "time-out": Reply(text="late", delay=4.0),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_faults_that_pass_are_tried_again(tmp_path: Path, name: str) -> None:
    paint_gallery(tmp_path, pictures=1)
    with ChatServer(once(TRANSIENT[name])) as server:
        # A busy machine may answer late even where it should not.
        done = run(tmp_path, server.url, timeout=2.0 if name == "time-out" else 30.0)
        assert len(server.received) == 2
    assert done.failed == {}
    first, second = ledger(tmp_path)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert (first["cost"], second["cost"]) == (None, pytest.approx((1000 * 2 + 100 * 10) / 1e6))
    assert second["status"] == "200"
    assert first["status"] != "200"


def test_what_does_not_pass_is_failed_for_now_and_asked_by_the_next_run(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=1)
    with ChatServer(lambda body, number: Reply(status=502, content="")) as server:
        done = run(tmp_path, server.url, attempts=3)
        assert len(server.received) == 3
        assert set(done.failed) == {101, 102, 103}
        assert "502, after 3 attempts" in done.failed[101]
        server.brain = good
        assert run(tmp_path, server.url).failed == {}


def test_retry_after_is_honoured_by_all_requests(tmp_path: Path) -> None:
    limit = Reply(status=429, content='{"error": {"message": "slow down"}}', headers={"Retry-After": "1"})
    with ChatServer(once(limit)) as server:
        done = run(tmp_path, server.url, limits=Limits(concurrency=1))
        times = [one.at for one in server.received]
    assert done.failed == {}
    assert times[1] - times[0] >= 1.0
    assert len(times) == 4


def test_requests_keep_to_the_concurrency(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=5)
    with ChatServer(lambda body, number: Reply(good(body).text, delay=0.1)) as server:
        run(tmp_path, server.url, limits=Limits(concurrency=2))
        assert server.most_at_once == 2


def test_requests_keep_to_the_rate(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=4)
    with ChatServer(good) as server:
        run(tmp_path, server.url, limits=Limits(concurrency=4, requests_per_minute=300))
        times = [one.at for one in server.received]
    assert times[-1] - times[0] >= 0.4  # three gaps of 0.2 s, less what the first one took to arrive


def test_usage_that_is_not_reported_is_estimated_and_said_to_be(tmp_path: Path) -> None:
    with ChatServer(lambda body, number: Reply(good(body).text, usage=False)) as server:
        done = run(tmp_path, server.url)
    rows = ledger(tmp_path)
    assert all(row["tokens_estimated"] and row["prompt_tokens"] > 500 and row["cost"] > 0 for row in rows)
    assert done.totals["answers_without_usage"] == 3
    assert {row["request_id"] for row in rows} == {"chatcmpl-0", "chatcmpl-1", "chatcmpl-2"}


@pytest.mark.parametrize("refused", ["response_format", "max_tokens"])
def test_an_endpoint_that_does_not_know_a_field_is_asked_otherwise(tmp_path: Path, refused: str) -> None:
    paint_gallery(tmp_path, pictures=1)

    def brain(body: Body, number: int) -> Reply:
        if refused not in body:
            return good(body)
        said = f"Unsupported parameter: '{refused}'. Use 'max_completion_tokens' instead."
        return Reply(status=400, content=json.dumps({"error": {"message": said}}))

    with ChatServer(brain) as server:
        assert run(tmp_path, server.url).failed == {}
        forms = [one.body.get("response_format", {}).get("type") for one in server.received]
    if refused == "response_format":
        assert forms == ["json_schema", "json_object", None]
    else:
        assert "max_completion_tokens" in server.received[-1].body


def test_one_request_that_is_refused_does_not_stop_the_others(tmp_path: Path) -> None:
    refusal = Reply(status=400, content='{"error": {"message": "content policy"}}')
    with ChatServer(once(refusal)) as server:
        done = run(tmp_path, server.url, limits=Limits(concurrency=1))
    assert done.qualities["good"] == 6
    assert set(done.failed.values()) == {"400 content policy"}


def test_a_wrong_key_stops_the_run_and_is_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key = "sk-very-secret-123"
    refusal = Reply(status=401, content=json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}))
    with ChatServer(lambda body, number: refusal) as server:
        with pytest.raises(EndpointError, match="Check --key-env") as caught:
            run(tmp_path, server.url, key=key)
        assert server.received[0].headers["Authorization"] == f"Bearer {key}"
        server.brain = good
        run(tmp_path, server.url, key=key)
    assert key not in str(caught.value)
    assert key not in caplog.text
    assert key not in repr(EndpointSettings(server.url, "seer", key))
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path


def test_an_empty_account_is_not_tried_again(tmp_path: Path) -> None:
    empty = Reply(status=429, content='{"error": {"message": "You exceeded it", "code": "insufficient_quota"}}')
    with ChatServer(lambda body, number: empty) as server:
        with pytest.raises(EndpointError, match="nothing left"):
            run(tmp_path, server.url, limits=Limits(concurrency=1))
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("ftp://x/v1", "must be an address"),
        ("https://[::1", "must be an address"),
        ("https://localhost:port/v1", "must be an address"),
        ("https://localhost:99999/v1", "must be an address"),
        ("http://user:pw@localhost/v1", "neither a password"),
        ("http://example.org/v1", "unencrypted"),
    ],
)
def test_addresses_that_would_leak_or_lead_nowhere_are_refused(url: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        EndpointSettings(url, "seer", key="secret")


# Stopped and resumed


def test_a_stopped_run_keeps_what_is_on_its_way_and_goes_on(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=6)
    stop = threading.Event()

    def brain(body: Body, number: int) -> Reply:
        if number == 1:
            stop.set()  # as the first Ctrl-C does, while this request is being answered
        return Reply(good(body).text, delay=0.05)

    with ChatServer(brain) as server:
        done = run(tmp_path, server.url, stop=stop, limits=Limits(concurrency=1))
        assert done.stopped == "interrupted"
        assert done.qualities == {"good": 6, "poor": 12, "unasked": 12}
        whole = run(tmp_path, server.url)
    assert whole.stopped is None
    assert whole.qualities == {"good": 18, "poor": 12}
    assert len(server.received) == 6
    assert max(server.asked.values()) == 1


def test_a_run_that_was_told_to_wait_stops_at_once(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=3)
    stop = threading.Event()

    def brain(body: Body, number: int) -> Reply:
        stop.set()
        return Reply(status=429, content="", headers={"Retry-After": "60"})

    began = time.monotonic()
    with ChatServer(brain) as server:
        done = run(tmp_path, server.url, stop=stop, limits=Limits(concurrency=1, requests_per_minute=600))
    assert time.monotonic() - began < 30
    assert (done.stopped, done.failed) == ("interrupted", {})
    assert len(server.received) == 1


def test_fewer_pictures_than_before_are_summed_up_alone(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=3)
    with ChatServer(spoil(edited(descriptions=["one"]), times=9)) as server:
        assert len(run(tmp_path, server.url, limits=Limits(turns=1)).failed) == 3
        fewer = run(tmp_path, server.url, pictures=1)
        assert len(server.received) == 3
    assert (fewer.pictures, list(fewer.failed), fewer.qualities) == (1, [101], {"good": 2, "failed": 1, "poor": 2})


def test_the_budget_stops_a_run(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=6)
    with ChatServer(good) as server:
        done = run(tmp_path, server.url, limits=Limits(concurrency=1, budget=0.005))
        assert done.stopped == "budget"
        assert len(server.received) == 2  # 0.003 each
        assert done.totals["cost"] == pytest.approx(0.006)


def test_other_settings_are_refused_unless_wanted(tmp_path: Path) -> None:
    with ChatServer(good) as server:
        run(tmp_path, server.url)
        with pytest.raises(UsageError, match="neighbours 3 -> 1"):
            run(tmp_path, server.url, settings=DescribeSettings(neighbours=1))
        run(tmp_path, server.url, settings=DescribeSettings(neighbours=1), anew=True)
        assert len(server.received) == 6
        run(tmp_path, server.url, anew=True)
        assert len(server.received) == 6  # the answers of the first run are still there


KILLED = """
import sys
from pathlib import Path
from tests.construction.runs import run
run(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_killed_run_loses_no_answer_and_asks_none_twice(tmp_path: Path) -> None:
    paint_gallery(tmp_path, pictures=12)
    with ChatServer(lambda body, number: Reply(good(body).text, delay=0.05)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), server.url], cwd=Path(__file__).parents[2], env=os.environ
        )
        deadline = time.monotonic() + 60
        while len(server.received) < 6 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        before = len(server.received)
        assert 6 <= before < 12, "the run was to be killed in the middle"
        book = tmp_path / "described.json.ledger.jsonl"
        with book.open("a") as file:
            file.write('{"number": 99')  # a line that the kill cut off
        kept = sum('"status": "200"' in line for line in book.read_text().splitlines())
        done = run(tmp_path, server.url)
    assert done.failed == {}
    assert done.qualities["good"] == 36
    # Only what was on its way when the process died is asked again: at most as many as there were in flight.
    assert before - kept <= 4
    assert len(server.received) == 12 + (before - kept)
    rows = ledger(tmp_path)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == 12

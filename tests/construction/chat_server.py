"""A server that speaks the chat-completions protocol over real HTTP, and misbehaves as real ones do.

It plays the remote service. What it answers is made from the prompt alone, as a model's answer is.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer as it goes over the wire. ``text`` None sends ``content`` as the whole body."""

    text: str | None = None
    status: int = 200
    content: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut_off: bool = False
    usage: bool = True
    finish: str = "stop"


@dataclass(frozen=True)
class Received:
    body: Body
    headers: Mapping[str, str]
    at: float


Brain = Callable[[Body, int], Reply]
"""From the request and its number (from 0) to the reply."""


class ChatServer:
    """Runs in a thread while the context is open; ``url`` is the endpoint, ``received`` all requests in order."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.received: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._serve(self)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def asked(self) -> Counter[str]:
        """How often each request came, by its messages."""
        return Counter(json.dumps(one.body["messages"], sort_keys=True) for one in self.received)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.received)
            self.received.append(Received(body, dict(handler.headers.items()), time.monotonic()))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if handler.path != "/v1/chat/completions":
                reply = Reply(status=404, content='{"error": {"message": "no such route"}}')
            else:
                reply = self.brain(body, number)
            time.sleep(reply.delay)
            self._send(handler, reply, number)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has gone: it timed out, or was killed
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, number: int) -> None:
        data = (reply.content if reply.text is None else json.dumps(_completion(reply, number))) or ""
        payload = data.encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload[: len(payload) // 2] if reply.cut_off else payload)
        if reply.cut_off:
            handler.close_connection = True


def _completion(reply: Reply, number: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text}
    done: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
    }
    if reply.usage:
        done["usage"] = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return done


def facts_of(body: Body) -> dict[str, Any]:
    """The JSON about the picture in the first question of a request."""
    content = body["messages"][1]["content"]
    text = content if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"][-1]
    facts: dict[str, Any] = json.loads(text)
    return facts


def wanted_of(body: Body) -> list[int]:
    """The numbers that a request asks about: all at first, those that are still wrong when it asks again."""
    last = body["messages"][-1]
    if last["role"] == "user" and len(body["messages"]) > 2:
        return [int(word) for word in last["content"].rsplit("only: ", 1)[1].split(". All")[0].split(", ")]
    facts = facts_of(body)
    return [one["number"] for one in facts.get("describe") or facts.get("instances") or facts.get("phrases")]


def described(body: Body, count: int = 5) -> dict[str, Any]:
    """Good descriptions of what is asked about, by the truth that stands in the prompt."""
    facts = facts_of(body)
    wanted = wanted_of(body)
    categories = {one["number"]: one["category"] for one in facts["objects"]}
    places = {one["number"]: one["place"] for one in facts["objects"]}
    told = {one["number"]: one for one in facts["describe"]}
    instances = []
    for number in wanted:
        category = categories[number]
        ties = told[number].get("near", [])
        around = [" ".join(tie.replace(",", "").split()[:-1]) for tie in ties] or ["alone in the room"]
        texts = [
            f"{category} {around[0]}",
            f"the {category} in the {places[number]} part that is {around[-1]}",
            f"a {category} {around[0]} in picture corner {places[number]}",
            f"{category} seen {around[-1]} and {around[0]}",
            f"this {category} stands {around[len(around) // 2]} near {_word(number)}",
        ]
        instances.append({"number": number, "quality": "good", "descriptions": texts[:count]})
    return {"instances": instances}


def _word(number: int) -> str:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[number] if number < len(words) else "many"


def good(body: Body, number: int = 0) -> Reply:
    """What a model that does as it is told answers to generation."""
    return Reply(json.dumps(described(body)))

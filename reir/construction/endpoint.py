"""A chat model behind an OpenAI-compatible endpoint, hosted or local: one question in, one checked HTTP answer out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from time import perf_counter
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from reir.construction.pace import Pace
from reir.errors import ReirError, UsageError

AnswerFormat = Literal["schema", "object", "text"]
FORMATS: tuple[AnswerFormat, ...] = ("schema", "object", "text")
"""How an endpoint is made to answer in JSON, the strictest first."""

_LONGEST_WAIT = 600.0
"""Seconds that an endpoint may ask us to wait; beyond them the request has failed for now."""
_A_KEY = re.compile(r"[!-~]+")
_SAID = 300
"""Letters of an endpoint's message that are passed on."""


class EndpointError(ReirError):
    """The endpoint refuses us altogether: a wrong key, model or address, or nothing left on the account."""


class RequestRefusedError(Exception):
    """The endpoint will not answer this one request, however often it is asked."""


class UnansweredError(Exception):
    """A request had no answer after all attempts; later it may."""


class _TransientError(Exception):
    """Worth another try; ``wait`` is what the endpoint asked for, in seconds."""

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where and how to ask. The key is read once and never shown, stored or logged.

    Args:
        url: base address, as far as ``/v1``; ``/chat/completions`` is added.
        model: the name the endpoint knows the model by.
        key: sent as a bearer token; None sends none.
        answer_format: how JSON is asked for; weaker forms are tried by themselves where the endpoint refuses.
        temperature: of sampling; None leaves it to the endpoint.
        most_tokens: bound of one answer.
        timeout: seconds for one try.
        attempts: tries of one request before it counts as unanswered.
        longest_pause: seconds of back-off between two tries at most; what the endpoint asks for may be longer.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    answer_format: AnswerFormat = "schema"
    temperature: float | None = None
    most_tokens: int = 4096
    timeout: float = 120.0
    attempts: int = 6
    longest_pause: float = 60.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
            httpx.URL(self.url)
        except (ValueError, httpx.InvalidURL):  # a bracket too few, a port that is no number
            wrong = True
        if wrong:
            raise UsageError(f"--endpoint must be an address such as http://127.0.0.1:8000/v1, got {self.url!r}")
        if parts.username or parts.password or parts.query:
            raise UsageError(
                "--endpoint must hold neither a password nor a query. Name the key's variable: --key-env NAME"
            )
        if self.key is not None and not _A_KEY.fullmatch(self.key):
            # It would break the header, and what is said about that repeats it.
            raise UsageError("the key holds a space, a line break or a letter that no key has. Look at --key-env")
        if self.key is not None and parts.scheme == "http" and not self.local:
            raise UsageError(f"a key would go to {parts.hostname} unencrypted. Give an https address")

    @property
    def local(self) -> bool:
        """Whether the endpoint runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    @property
    def address(self) -> str:
        """The address that requests go to."""
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"


def key_from(variable: str | None) -> str | None:
    """The key in an environment variable; None without a variable.

    Raises:
        UsageError: there is no such variable, or it is empty.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(f"the environment variable {variable} holds no key. Set it, or leave --key-env out")
    return key


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked in one request; ``schema`` is that of the answer, ``tokens`` about what it takes."""

    messages: Sequence[dict[str, Any]]
    schema_name: str
    schema: Mapping[str, Any]
    tokens: int

    def content_hash(self, settings: EndpointSettings) -> str:
        """What names the answer: the same question to the same model in the same way.

        How JSON is enforced is left out, for an endpoint may teach us that on the way.
        """
        content = [settings.model, settings.temperature, settings.most_tokens, self.schema_name, self.schema]
        text = json.dumps([*content, list(self.messages)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Try:
    """How one try at a request ended. ``text`` is None where there was no answer."""

    number: int
    status: str
    seconds: float
    request_id: str | None = None
    text: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What an endpoint has shown to understand."""

    answer_format: AnswerFormat
    limit_name: str = "max_tokens"
    temperature: bool = True


class Endpoint:
    """Asks questions one at a time or many at once; use as an asynchronous context manager."""

    def __init__(self, settings: EndpointSettings, pace: Pace) -> None:
        self.settings, self.pace = settings, pace
        self._dialect = _Dialect(settings.answer_format)
        self._refused_in_a_row = 0
        self._answered = False

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.settings.key}"} if self.settings.key else {}
        limit = httpx.Limits(max_connections=None)
        # No redirects: the key goes to the address that was given, and nowhere else.
        self._client = httpx.AsyncClient(headers=headers, timeout=self.settings.timeout, limits=limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, question: Question, tell: Callable[[Try], None]) -> str:
        """The text of the answer. Every try, good or not, is told to ``tell`` as soon as it is over.

        Raises:
            UnansweredError: no answer after all attempts.
            RequestRefusedError: this request is refused for good.
            EndpointError: every request would be.
            StoppedError: the run is to stop.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TransientError),
            stop=stop_after_attempt(self.settings.attempts),
            wait=self._pause,
            sleep=self.pace.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    return await self._try(question, attempt.retry_state.attempt_number, tell)
        except _TransientError as error:
            raise UnansweredError(f"{error}, after {self.settings.attempts} attempts") from error
        raise AssertionError("the loop above returns or raises")

    def _pause(self, state: RetryCallState) -> float:
        """Full jitter on an exponential back-off, and never less than the endpoint asked for."""
        wished = wait_random_exponential(multiplier=1.0, max=self.settings.longest_pause)(state)
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.wait if isinstance(error, _TransientError) else None
        return wished if asked is None else asked + min(wished, 1.0)

    async def _try(self, question: Question, number: int, tell: Callable[[Try], None]) -> str:
        while True:
            await self.pace.turn(question.tokens)
            dialect = self._dialect
            started = perf_counter()
            try:
                response = await self._client.post(self.settings.address, json=self._body(question, dialect))
            except httpx.HTTPError as error:
                cause = self._clean(f"{type(error).__name__} {error}".strip())
                tell(Try(number, cause, perf_counter() - started))
                raise _TransientError(cause) from error
            seconds = perf_counter() - started
            if response.status_code in (400, 422) and self._learn(dialect, response):
                tell(Try(number, f"{response.status_code}, asked otherwise", seconds))
                continue
            if response.status_code != 200:
                tell(Try(number, str(response.status_code), seconds, _request_id(response)))
                self._raise_for(response)
            done = self._read(response, number, seconds)
            tell(done)
            if done.text is None:
                raise _TransientError(done.status)
            self._answered = True
            return done.text

    def _body(self, question: Question, dialect: _Dialect) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": list(question.messages),
            dialect.limit_name: self.settings.most_tokens,
        }
        if self.settings.temperature is not None and dialect.temperature:
            body["temperature"] = self.settings.temperature
        if dialect.answer_format == "schema":
            schema = {"name": question.schema_name, "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.answer_format == "object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _learn(self, dialect: _Dialect, response: httpx.Response) -> bool:
        """Whether the refusal says what the endpoint does not understand, and there is another way to say it."""
        said = response.text.lower()
        if dialect.limit_name in said and "max_completion_tokens" in said and dialect.limit_name == "max_tokens":
            learned = replace(dialect, limit_name="max_completion_tokens")
        elif "temperature" in said and dialect.temperature and self.settings.temperature is not None:
            learned = replace(dialect, temperature=False)
        elif any(word in said for word in ("response_format", "json_schema", "json_object", "schema")):
            weaker = FORMATS[FORMATS.index(dialect.answer_format) + 1 :]
            if not weaker:
                return False
            learned = replace(dialect, answer_format=weaker[0])
        else:
            return False
        if self._dialect == dialect:  # else another request has learned it in the meantime
            self._dialect = learned
        return True

    def _raise_for(self, response: httpx.Response) -> None:
        status, said = response.status_code, self._message(response)
        if status in (408, 409, 425, 429) or status >= 500:
            if "insufficient_quota" in response.text:
                raise EndpointError(f"the account of {self.settings.address} has nothing left: {said}")
            wait = _retry_after(response)
            if wait is not None and wait > _LONGEST_WAIT:
                raise UnansweredError(f"{status}, and to wait {wait:.0f} s")
            if wait is not None:
                self.pace.hold(wait)
            raise _TransientError(f"{status} {said}".strip(), wait)
        if status in (401, 402, 403, 404, 405) or 300 <= status < 400:
            advice = {401: "Check --key-env", 403: "Check --key-env", 404: "Check --endpoint and --model"}.get(status)
            raise EndpointError(f"{self.settings.address} answers {status}: {said}" + (f". {advice}" if advice else ""))
        self._refused_in_a_row += 1
        if not self._answered and self._refused_in_a_row >= 5:
            raise EndpointError(f"{self.settings.address} refuses every request with {status}: {said}")
        raise RequestRefusedError(f"{status} {said}".strip())

    def _read(self, response: httpx.Response, number: int, seconds: float) -> Try:
        try:
            content = response.json()
            choice = content["choices"][0]
            message = choice["message"]
            text = message.get("content")
            if isinstance(text, list):
                text = "".join(str(part.get("text", "")) for part in text)
            text = str(text if text is not None else message.get("refusal") or "")
            # Half of a pair that stands for one letter, as a cut answer may end in, could not be stored.
            text = text.encode("utf-8", "replace").decode("utf-8")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return Try(number, "200, but no chat completion", seconds, _request_id(response))
        usage = content.get("usage") if isinstance(content.get("usage"), dict) else {}
        finish = choice.get("finish_reason")
        return Try(
            number,
            "200" if finish in (None, "stop") else f"200 {finish}",
            seconds,
            _request_id(response) or (str(content["id"]) if content.get("id") else None),
            text,
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
        )

    def _message(self, response: httpx.Response) -> str:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            error = response.json()["error"]
            return self._clean(str(error["message"] if isinstance(error, dict) else error))
        return self._clean(response.text)

    def _clean(self, text: str) -> str:
        """A message fit to be shown and stored: short, and without the key, which some endpoints repeat."""
        if self.settings.key:
            text = text.replace(self.settings.key, "[key]")
        return " ".join(text.split())[:_SAID]


def _request_id(response: httpx.Response) -> str | None:
    found: str | None = response.headers.get("x-request-id")
    return found


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds of the Retry-After header, which holds a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None

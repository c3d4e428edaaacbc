"""Runs a step over a model: many questions at once, checked answers, bounded questions back, all of it resumable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from reir.construction.answers import Reading
from reir.construction.endpoint import (
    Endpoint,
    EndpointSettings,
    Question,
    RequestRefusedError,
    Try,
    UnansweredError,
)
from reir.construction.journal import Call, Journal
from reir.construction.pace import Pace, StoppedError
from reir.construction.tokens import Estimate, Prices, message_tokens, text_tokens
from reir.errors import ImageUnreadableError

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many items are, and of how many."""

_MOST_SHOWN = 6000
"""Letters of a wrong answer that are shown to the model again."""
_MOST_COMPLAINTS = 20
_SAMPLED = 8
"""Requests that are made to estimate what all will take."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One request's worth of work: items (annotation ids, say) that are asked about together."""

    key: str
    items: tuple[int, ...]


class Step(Protocol):
    """A kind of question: how it is put, and how its answers are read. Pure; may be called from several threads."""

    @property
    def kind(self) -> str:
        """``describe``, ``filter`` or ``confirm``."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What results depend on beside the input, as JSON; with the prompt."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """All work there is, in an order that does not change from run to run."""
        ...

    @property
    def tokens_an_item(self) -> int:
        """About how many tokens an answer about one item takes."""
        ...

    @property
    def tokens_a_picture(self) -> int:
        """About how many tokens a picture in a question takes."""
        ...

    def messages(self, unit: Unit) -> list[dict[str, Any]]:
        """The question about all items of a unit."""
        ...

    def number(self, unit: Unit, item: int) -> int:
        """The number an item has in the question and the answer."""
        ...

    def schema(self, numbers: Sequence[int]) -> Mapping[str, Any]:
        """The JSON schema of an answer about these numbers."""
        ...

    def read(self, unit: Unit, numbers: Sequence[int], text: str) -> Reading:
        """What an answer says, by number."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How a run is bounded.

    Args:
        concurrency: requests in flight.
        requests_per_minute: None for as many as there are.
        tokens_per_minute: of prompts and answers, estimated before a request is sent.
        turns: how often a unit is asked before what is still wrong in its answers counts as failed.
        budget: stop before the cost of the journal exceeds it, as far as it is known.
    """

    concurrency: int = 4
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    turns: int = 3
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run of a step has brought: all results so far, with those of earlier runs.

    ``failed`` says why for each item; of them ``unanswered`` had no answer and are asked again by the next run, while
    the others had answers that stayed wrong. ``left`` items were not asked: ``stopped`` says why ("interrupted",
    "budget"), None for a run that came to its end.
    """

    results: Mapping[int, Mapping[str, Any]]
    failed: Mapping[int, str]
    unanswered: int
    left: int
    stopped: str | None
    seconds: float


def estimate(
    step: Step, journal: Journal | None, settings: EndpointSettings, prices: Prices, *, pictures: int
) -> Estimate:
    """What a run of the step would take if every first answer is good, from a few requests made but not sent."""
    known = journal is not None and journal.bound_to(step.kind, step.settings)
    done = journal.results(step.kind) if journal is not None and known else {}
    units = [unit for unit in step.units if any(item not in done for item in unit.items)]
    items = sum(len(unit.items) for unit in units)
    prompt = round(_prompt_tokens(step, units) * len(units))
    completion = min(step.tokens_an_item * items + 10 * len(units), settings.most_tokens * len(units))
    return Estimate(
        pictures=pictures,
        instances=sum(len(unit.items) for unit in step.units),
        requests=len(units),
        answered=len(step.units) - len(units),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=prices.cost(prompt, completion) if units else 0.0,
    )


def _prompt_tokens(step: Step, units: Sequence[Unit]) -> float:
    """Mean tokens of a prompt, from units spread over all of them."""
    count = min(_SAMPLED, len(units))
    sizes = []
    for place in range(count):
        with suppress(ImageUnreadableError):  # such a unit will not be sent either
            messages = step.messages(units[place * len(units) // count])
            sizes.append(message_tokens(messages, step.tokens_a_picture))
    return sum(sizes) / len(sizes) if sizes else 0.0


def run_step(
    step: Step,
    journal: Journal,
    settings: EndpointSettings,
    *,
    prices: Prices | None = None,
    limits: Limits | None = None,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Asked:
    """All results of a step, asked for where the journal does not have them yet.

    An answer is in the journal before it is read, and a result before the next question is put, so that a run which
    is killed goes on where it was. When ``stop`` is set nothing new is asked, and answers on their way are waited for.

    Raises:
        EndpointError: the endpoint refuses everything; what was answered is kept.
    """
    run = _Run(step, journal, settings, prices or Prices(), limits or Limits(), stop or threading.Event(), progress)
    return asyncio.run(run.all())


class _Run:
    def __init__(
        self,
        step: Step,
        journal: Journal,
        settings: EndpointSettings,
        prices: Prices,
        limits: Limits,
        stop: threading.Event,
        progress: Progress | None,
    ) -> None:
        self.step, self.journal, self.settings = step, journal, settings
        self.prices, self.limits = prices, limits
        self.stop, self.progress = stop, progress
        self.spent = journal.spent()
        self.stopped: str | None = None
        self.unanswered: dict[int, str] = {}
        self.settled: frozenset[int] = frozenset()
        self.done = 0

    async def all(self) -> Asked:
        started = perf_counter()
        known = self.journal.results(self.step.kind)
        self.settled = frozenset(item for item, result in known.items() if "failed" not in result)
        units = [unit for unit in self.step.units if any(item not in known for item in unit.items)]
        total = sum(len(unit.items) for unit in self.step.units)
        self.done = total - sum(len(unit.items) for unit in units)
        self._tell(total)
        # Its own event ends the workers without taking the caller's from him.
        self.ending = _EitherEvent(self.stop)
        pace = Pace(
            requests_per_minute=self.limits.requests_per_minute,
            tokens_per_minute=self.limits.tokens_per_minute,
            stop=self.ending,
        )
        waiting = iter(units)
        async with Endpoint(self.settings, pace) as endpoint:

            async def work() -> None:
                for unit in waiting:
                    if self._must_stop():
                        return
                    try:
                        await self._unit(endpoint, unit)
                    except StoppedError:
                        return
                    self.done += len(unit.items)
                    self._tell(total)

            workers = [asyncio.create_task(work()) for _ in range(max(1, self.limits.concurrency))]
            try:
                await asyncio.gather(*workers)
            except Exception:
                # Answers that are on their way are paid for: they are waited for and kept, then the error goes up.
                self.ending.set()
                await asyncio.gather(*workers, return_exceptions=True)
                raise
        if self.stop.is_set():
            self.stopped = self.stopped or "interrupted"
        return self._asked(perf_counter() - started)

    def _must_stop(self) -> bool:
        if self.limits.budget is not None and self.spent >= self.limits.budget:
            self.stopped = "budget"
            self.ending.set()
        return self.ending.is_set()

    def _asked(self, seconds: float) -> Asked:
        wanted = {item for unit in self.step.units for item in unit.items}
        # A run over fewer pictures has the results of an earlier one over more in its journal.
        known = {item: result for item, result in self.journal.results(self.step.kind).items() if item in wanted}
        results = {item: result for item, result in known.items() if "failed" not in result}
        failed = {item: str(result["failed"]) for item, result in known.items() if "failed" in result}
        unanswered = {item: cause for item, cause in self.unanswered.items() if item not in known}
        left = sum(item not in known and item not in unanswered for item in wanted)
        return Asked(results, failed | unanswered, len(unanswered), left, self.stopped if left else None, seconds)

    async def _unit(self, endpoint: Endpoint, unit: Unit) -> None:
        """Ask about a unit until all its items have a result, at most ``turns`` times.

        Items that have a good one are in the question, which is known by its hash, but keep what they have.
        """
        try:
            messages = await asyncio.to_thread(self.step.messages, unit)
        except ImageUnreadableError as error:
            self.unanswered |= dict.fromkeys(unit.items, str(error))
            return
        pending = {self.step.number(unit, item): item for item in unit.items}
        asked = list(messages)
        reading = Reading({}, {})
        for _ in range(self.limits.turns):
            try:
                text = await self._answer(endpoint, unit, asked, list(pending))
            except (UnansweredError, RequestRefusedError) as error:
                self.unanswered |= dict.fromkeys(pending.values(), str(error))
                return
            reading = self.step.read(unit, list(pending), text)
            self._keep(unit, pending, reading)
            if self.settled.issuperset(pending.values()):
                return
            asked = [*messages, *_question_back(text, reading, list(pending))]
        causes = {
            item: "; ".join(reading.problems.get(number) or reading.general or ["no usable answer"])
            for number, item in pending.items()
            if item not in self.settled
        }
        failed = {item: {"failed": cause} for item, cause in causes.items()}
        self.journal.record(self.step.kind, unit.key, failed, failed=True)

    def _keep(self, unit: Unit, pending: dict[int, int], reading: Reading) -> None:
        good = {pending.pop(number): result for number, result in reading.results.items() if number in pending}
        new = {item: result for item, result in good.items() if item not in self.settled}
        self.journal.record(self.step.kind, unit.key, new)

    async def _answer(
        self, endpoint: Endpoint, unit: Unit, messages: Sequence[dict[str, Any]], numbers: Sequence[int]
    ) -> str:
        prompt_tokens = message_tokens(messages, self.step.tokens_a_picture)
        question = Question(
            messages,
            f"{self.step.kind}_answer",
            self.step.schema(numbers),
            prompt_tokens + self.step.tokens_an_item * len(numbers),
        )
        name = question.content_hash(self.settings)
        if (known := self.journal.answer(name)) is not None:
            return known

        def note(tried: Try) -> None:
            prompt, completion, estimated = tried.prompt_tokens, tried.completion_tokens, False
            if tried.text is not None and (prompt is None or completion is None):
                prompt, completion, estimated = prompt_tokens, text_tokens(tried.text), True
            cost = None if prompt is None or completion is None else self.prices.cost(prompt, completion)
            self.journal.add(
                Call(
                    kind=self.step.kind,
                    unit=unit.key,
                    request_hash=name,
                    request_id=tried.request_id,
                    model=self.settings.model,
                    attempt=tried.number,
                    status=tried.status,
                    seconds=tried.seconds,
                    prompt_tokens=prompt,
                    completion_tokens=completion,
                    tokens_estimated=estimated,
                    cost=cost,
                    answer=tried.text,
                )
            )
            self.spent += cost or 0.0

        return await endpoint.ask(question, note)

    def _tell(self, total: int) -> None:
        if self.progress is not None:
            with suppress(BrokenPipeError):
                self.progress(self.step.kind, self.done, total)


class _EitherEvent(threading.Event):
    """Set when it is set itself, or when the caller's event is."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


def _question_back(text: str, reading: Reading, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The wrong answer, and what is wrong with it."""
    complaints = reading.complaints[:_MOST_COMPLAINTS]
    told = "\n".join(f"- {complaint}" for complaint in complaints)
    wanted = ", ".join(map(str, numbers))
    return [
        {"role": "assistant", "content": text[:_MOST_SHOWN] or "(nothing)"},
        {
            "role": "user",
            "content": f"That cannot be used yet:\n{told}\n"
            f"Answer again, in the same JSON form, for these numbers only: {wanted}. All rules still hold.",
        },
    ]

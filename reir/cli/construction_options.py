"""Options that the commands of construction share, and what happens around runs that ask an endpoint's model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.errors import UsageError

if TYPE_CHECKING:
    from threading import Event

    from reir.construction import Estimate, Limits, Prices, Progress


class Answers(StrEnum):
    """How JSON is asked for."""

    schema = "schema"
    object = "object"
    text = "text"


ImagesBeside = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", show_default=False, help="The pictures; by default images beside."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", show_default=False, help="OpenAI-compatible address, as far as /v1."),
]
EndpointModel = Annotated[
    str | None, typer.Option("--model", metavar="NAME", show_default=False, help="The model's name at the endpoint.")
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env", metavar="VARIABLE", show_default=False, help="Environment variable that holds the endpoint's key."
    ),
]
AnswerForm = Annotated[
    Answers, typer.Option("--answers", help="How JSON is asked for; weaker forms are tried if it is refused.")
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", metavar="T", min=0, show_default=False, help="Of sampling; else the endpoint's own."),
]
MostTokens = Annotated[int, typer.Option("--max-tokens", metavar="N", min=1, help="Tokens of one answer at most.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", min=1, help="Seconds for one try.")]
Attempts = Annotated[int, typer.Option("--attempts", metavar="N", min=1, help="Tries of one request.")]
PictureSide = Annotated[
    int, typer.Option("--picture-side", metavar="PX", min=64, help="Longer side of pictures as they are sent.")
]
Turns = Annotated[
    int, typer.Option("--turns", metavar="N", min=1, help="How often is asked until an answer keeps to the rules.")
]
Concurrency = Annotated[int, typer.Option("--concurrency", metavar="N", min=1, help="Requests in flight.")]
RequestRate = Annotated[
    float | None,
    typer.Option("--requests-per-minute", metavar="N", min=0.01, show_default=False, help="At most so many requests."),
]
TokenRate = Annotated[
    float | None,
    typer.Option("--tokens-per-minute", metavar="N", min=1, show_default=False, help="At most so many tokens."),
]
PriceIn = Annotated[
    float | None,
    typer.Option("--price-in", metavar="P", min=0, show_default=False, help="Price of a million prompt tokens."),
]
PriceOut = Annotated[
    float | None,
    typer.Option("--price-out", metavar="P", min=0, show_default=False, help="Price of a million answer tokens."),
]
PictureTokens = Annotated[
    int | None,
    typer.Option(
        "--picture-tokens", metavar="N", min=1, show_default=False, help="Tokens of a picture, for the estimate."
    ),
]
AskAbove = Annotated[
    float, typer.Option("--ask-above", metavar="COST", min=0, help="Ask for consent when the estimate is above this.")
]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="COST", min=0, show_default=False, help="Stop when the ledger has reached this."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for consent.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the estimate, ask nothing, write nothing.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again about instances whose answers stayed wrong.")
]
OtherSettings = Annotated[
    bool, typer.Option("--other-settings", help="Begin anew with other settings than the journal's.")
]


@dataclass(frozen=True, slots=True)
class Purse:
    """What may be spent: prices, when consent is asked for, and whether it is given beforehand."""

    prices: Prices
    ask_above: float
    yes: bool
    local: bool

    def require_consent(self, estimate: Estimate) -> None:
        """Nothing, if the run may go ahead.

        Without prices the cost is unknown, and consent is needed unless the endpoint runs on this machine.

        Raises:
            UsageError: consent is needed and cannot be asked for, or was refused.
        """
        from reir.cli.console import note

        note(estimate_text(estimate))
        free = self.local if estimate.cost is None else estimate.cost <= self.ask_above
        if self.yes or free or not estimate.requests:
            return
        if not sys.stdin.isatty():
            cause = "the cost is not known (give --price-in and --price-out)"
            if estimate.cost is not None:
                cause = f"the estimate of {estimate.cost:,.2f} is above {self.ask_above:,.2f} (--ask-above)"
            raise UsageError(f"{cause}. Add --yes to go ahead")
        if not typer.confirm("Go ahead?", err=True):
            raise UsageError("nothing was asked")


def make_purse(price_in: float | None, price_out: float | None, ask_above: float, yes: bool, local: bool) -> Purse:
    """The purse of these options.

    Raises:
        UsageError: one price without the other.
    """
    from reir.construction import Prices

    if (price_in is None) != (price_out is None):
        raise UsageError("--price-in and --price-out belong together: a request has tokens of both kinds")
    return Purse(Prices(price_in, price_out), ask_above, yes, local)


def make_limits(
    concurrency: int, requests: float | None, tokens: float | None, turns: int, budget: float | None, purse: Purse
) -> Limits:
    """The bounds of a run.

    Raises:
        UsageError: a budget without prices, which could never be reached.
    """
    from reir.construction import Limits

    if budget is not None and not purse.prices.known:
        raise UsageError("--budget needs --price-in and --price-out, or what was spent is not known")
    return Limits(concurrency, requests, tokens, turns, budget)


def estimate_text(estimate: Estimate) -> str:
    """``120 pictures, 840 instances: 130 requests, about 0.2 M + 0.1 M tokens, cost 1.52``."""
    cost = "unknown" if estimate.cost is None else f"{estimate.cost:,.4g}"
    before = f" ({estimate.answered:,} answered before)" if estimate.answered else ""
    return (
        f"{estimate.pictures:,} pictures, {estimate.instances:,} to ask about: {estimate.requests:,} requests{before}, "
        f"about {estimate.prompt_tokens:,} prompt and {estimate.completion_tokens:,} answer tokens, cost {cost}"
    )


@contextmanager
def shown_run() -> Iterator[tuple[Event, Progress]]:
    """The event that the first Ctrl-C sets, and a progress function: see `shown_progress`."""
    import threading

    from reir.indexer.interrupt import on_interrupt

    stop = threading.Event()
    with on_interrupt(stop), shown_progress() as progress:
        yield stop, progress


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A progress function that draws a bar on a terminal, and elsewhere writes a line a minute."""
    from reir.cli.console import phase_bar

    with phase_bar() as bar:
        yield _lines() if bar is None else bar


def _lines() -> Progress:
    """Progress where stderr is no terminal: a line at the start, one a minute, and one at the end."""
    from time import monotonic

    from reir.cli.console import note

    last: list[float] = []

    def tell(phase: str, done: int, total: int) -> None:
        if not last or monotonic() - last[-1] >= 60 or done == total:
            last.append(monotonic())
            note(f"{phase}: {done:,}/{total:,}")

    return tell


def end_run(stopped: str | None, failed: Mapping[int, str], cost: float | None) -> None:
    """Say how a run ended, and leave with the exit code for it: 130 interrupted, 3 with failures or out of budget."""
    from reir.cli.console import note

    if cost is not None:
        note(f"cost so far, all runs: {cost:,.4g}")
    for item, cause in list(failed.items())[:5]:
        note(f"instance {item} failed: {cause}")
    if len(failed) > 5:
        note(f"and {len(failed) - 5:,} more failed")
    if stopped == "interrupted":
        note("stopped; run the same command again to go on")
        raise typer.Exit(130)
    if stopped == "budget":
        note("the budget is spent; run again with a larger --budget to go on")
    if failed or stopped:
        raise typer.Exit(3)

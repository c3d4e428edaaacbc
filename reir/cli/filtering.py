"""``reir data filter``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reir.cli.arguments import DatabaseUrl, Device, DeviceName, Json
from reir.cli.construction_options import (
    AnswerForm,
    Answers,
    AskAbove,
    Attempts,
    Budget,
    Concurrency,
    DryRun,
    EndpointModel,
    EndpointUrl,
    ImagesBeside,
    KeyEnv,
    MostTokens,
    OtherSettings,
    PictureSide,
    PictureTokens,
    PriceIn,
    PriceOut,
    Purse,
    RequestRate,
    RetryFailed,
    Temperature,
    Timeout,
    TokenRate,
    Turns,
    Yes,
    end_run,
    estimate_text,
    make_limits,
    make_purse,
    shown_progress,
    shown_run,
)
from reir.errors import UsageError

if TYPE_CHECKING:
    from reir.construction import Asked, EndpointSettings, Journal, Limits
    from reir.construction.asking import Step
    from reir.protocols import Model
    from reir.store import Snapshot

EXAMPLES = """\b
Examples:
  reir data filter described.json --out set --endpoint http://127.0.0.1:8000/v1 --model qwen3 --test-share 0.2
  reir index val2017 --db val.reir
  reir data filter set/train.json --images val2017 --out set-2 --db val.reir --rivals drop
  reir data filter set/train.json --images val2017 --out set-3 --db val.reir --confirm \\
    --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-vl"""


class Rivals(StrEnum):
    """What happens to flagged expressions."""

    keep = "keep"
    confirmed = "confirmed"
    drop = "drop"


def filter_expressions(
    source: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="What generate has written, or any file of expressions.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    images: ImagesBeside = None,
    endpoint: EndpointUrl = None,
    model: EndpointModel = None,
    key_env: KeyEnv = None,
    vision: Annotated[bool, typer.Option("--vision", help="Show the filter the pictures too.")] = False,
    picture_side: PictureSide = 768,
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="DIR", show_default=False, help="Search this index for second instances."),
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", metavar="M", help="A rival scores at least 1 - M of the target, over the mean.")
    ] = 0.05,
    confirm: Annotated[bool, typer.Option("--confirm", help="Let the model look at the rivals found.")] = False,
    rivals: Annotated[
        Rivals, typer.Option("--rivals", help="Flagged expressions: keep all, drop the certain, or drop all doubtful.")
    ] = Rivals.confirmed,
    test_share: Annotated[
        float, typer.Option("--test-share", metavar="S", min=0, max=1, help="Share of the pictures for test.json.")
    ] = 0.0,
    test_ids: Annotated[
        Path | None,
        typer.Option("--test-ids", metavar="FILE", show_default=False, help="Image ids for test.json, one a line."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the split.")] = 0,
    answers: AnswerForm = Answers.schema,
    temperature: Temperature = None,
    max_tokens: MostTokens = 8192,
    timeout: Timeout = 300.0,
    attempts: Attempts = 6,
    turns: Turns = 3,
    concurrency: Concurrency = 4,
    requests_per_minute: RequestRate = None,
    tokens_per_minute: TokenRate = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    picture_tokens: PictureTokens = None,
    ask_above: AskAbove = 1.0,
    budget: Budget = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    other_settings: OtherSettings = False,
    device: Device = DeviceName.auto,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Keep the descriptions that find their object: by a language model, and by a search for second answers.

    Descriptions that were not filtered yet go to a language model (--endpoint, --model). With --db, expressions that a
    second instance of the index answers as well are flagged; --confirm lets a model that sees look at them. Writes
    REIRCOCO's layout. Ends with 3 if some instances could not be decided.
    """
    from reir.cli.console import note, print_json
    from reir.construction import (
        ConfirmStep,
        EndpointSettings,
        FilterSettings,
        FilterStep,
        Filtration,
        Journal,
        RivalRule,
        Split,
        estimate,
        journal_path,
        key_from,
        read_annotated,
        read_ids,
    )

    if (endpoint is None) != (model is None):
        raise UsageError("--endpoint and --model belong together")
    if test_share and test_ids is not None:
        raise UsageError("--test-share and --test-ids exclude each other")
    if confirm and (db is None or endpoint is None):
        raise UsageError("--confirm looks at what the index found: give --db, and --endpoint with --model")
    data = read_annotated(source, images=images)
    if vision or confirm:
        data.require_pictures()
    if data.step == "annotated":
        raise UsageError(
            f"{source} has no descriptions yet. Make them: reir data generate {source} --out described.json"
        )
    if source.resolve().parent == out.resolve():
        raise UsageError(f"{out} holds {source.name} itself, which would be written over. Give --out another folder")
    if endpoint is not None and data.step == "filtered" and not confirm:
        raise UsageError(
            f"{source} was filtered already, and nothing is left to ask the model. Add --confirm, or leave it out"
        )
    server = None
    if endpoint is not None and model is not None:
        server = EndpointSettings(
            endpoint,
            model,
            key_from(key_env),
            answer_format=answers.value,
            temperature=temperature,
            most_tokens=max_tokens,
            timeout=timeout,
            attempts=attempts,
        )
    elif db is None and data.step == "generated":
        raise UsageError("nothing would filter: give --endpoint and --model, or --db, or both")
    purse = make_purse(price_in, price_out, ask_above, yes, server is not None and server.local)
    limits = make_limits(concurrency, requests_per_minute, tokens_per_minute, turns, budget, purse)
    split = Split(test_share, read_ids(test_ids) if test_ids is not None else (), seed)
    target = out / "expressions"
    step = None
    if server is not None and data.step == "generated":
        step = FilterStep(data, FilterSettings(16, vision, picture_side, picture_tokens), server)
    if dry_run:
        if step is None or server is None:
            raise UsageError("--dry-run estimates the language filter, and there is nothing for it to do")
        with Journal.beside(target) if journal_path(target).exists() else nullcontext() as journal:
            found = estimate(step, journal, server, purse.prices, pictures=len(data.pictures))
        print_json(found.to_json()) if json_output else print(estimate_text(found))
        return
    filtration = Filtration(data)
    totals: dict[str, Any] = {}
    with Journal.beside(target) if server is not None else nullcontext() as journal:
        if server is not None and journal is not None:
            asker = _Asker(journal, server, purse, limits, len(data.pictures), other_settings, retry_failed)
        if step is not None:
            filtration.take_phrases(step, asker.ask(step))
        with _gallery(db, device.value, database_url) as (snapshot, scorer), shown_progress() as progress:
            filtration.search(snapshot, scorer, RivalRule(margin=margin), progress)
        if confirm and server is not None:
            root, side = filtration.data.images_root, picture_side
            looks = ConfirmStep(filtration.flags, root, server, picture_side=side, tokens_a_picture=picture_tokens)
            asked = asker.ask(looks)
            filtration.take_looks(looks, asked)
            if asked.failed:
                note(f"{len(asked.failed):,} looks at rivals had no usable answer; their flags stay open")
        if journal is not None:
            totals = journal.totals()
    done = filtration.write(out, rivals.value, split)
    if json_output:
        told = {str(item): cause for item, cause in filtration.failed.items()}
        print_json({**done.to_json(), "failed": told, "ledger": totals})
    else:
        print(f"{out}: {done.pictures:,} pictures, {done.instances:,} instances, {done.expressions:,} expressions")
        for title, counts in (("phrases", done.verdicts), ("flags", done.flags)):
            if counts:
                print(f"{title}: " + ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())))
    end_run(None, filtration.failed, totals.get("cost"))


@dataclass(frozen=True, slots=True)
class _Asker:
    """Runs a step with consent; a run that was stopped ends the command, and nothing is written of it."""

    journal: Journal
    server: EndpointSettings
    purse: Purse
    limits: Limits
    pictures: int
    other_settings: bool
    retry_failed: bool

    def ask(self, step: Step) -> Asked:
        from reir.construction import estimate, run_step

        self.journal.bind(step.kind, step.settings, anew=self.other_settings)
        if self.retry_failed:
            self.journal.forget_failed(step.kind)
        prices = self.purse.prices
        self.purse.require_consent(estimate(step, self.journal, self.server, prices, pictures=self.pictures))
        with shown_run() as (stop, progress):
            asked = run_step(
                step, self.journal, self.server, prices=prices, limits=self.limits, stop=stop, progress=progress
            )
        if asked.stopped is not None:
            end_run(asked.stopped, {}, self.journal.totals()["cost"])
        return asked


@contextmanager
def _gallery(
    db: Path | None, device: str, database_url: str | None
) -> Iterator[tuple[Snapshot, Model] | tuple[None, None]]:
    """The newest snapshot of an index and the model that made it; nothing without an index."""
    if db is None:
        yield None, None
        return
    from reir.models import load_model
    from reir.store import Index

    index = Index.open(db, database_url=database_url)
    with index.snapshot() as snapshot:
        yield snapshot, load_model(index.info.model.name, device=device)

"""``reir data generate``, and with ``filter`` and ``audit`` the making of a data set from annotated pictures."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from reir.cli import audit, filtering
from reir.cli.arguments import Json
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
    shown_run,
)
from reir.errors import UsageError

_EXAMPLES = """\b
Examples:
  reir data generate instances_val2017.json --images val2017 --captions captions_val2017.json \\
    --out described.json --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-vl --limit 20
  reir data generate instances.json --out described.json --endpoint https://api.example.com/v1 \\
    --model large-vision --key-env EXAMPLE_KEY --price-in 2.5 --price-out 10 --dry-run"""


def register(app: typer.Typer) -> None:
    """Add the commands to ``reir data``."""
    app.command("generate", epilog=_EXAMPLES)(generate)
    app.command("filter", epilog=filtering.EXAMPLES)(filtering.filter_expressions)
    app.command("audit", epilog=audit.EXAMPLES)(audit.audit)


def generate(
    source: Annotated[Path, typer.Argument(metavar="INSTANCES.json", help="Annotated pictures, as COCO has them.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.json", help="Descriptions; the journal stands beside.")],
    images: ImagesBeside = None,
    captions: Annotated[
        Path | None,
        typer.Option("--captions", metavar="FILE", show_default=False, help="Captions of the pictures, as COCO's."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, show_default=False, help="Only the first N pictures.")
    ] = None,
    endpoint: EndpointUrl = None,
    model: EndpointModel = None,
    key_env: KeyEnv = None,
    descriptions: Annotated[
        int, typer.Option("--descriptions", metavar="N", min=1, help="Descriptions of an instance.")
    ] = 5,
    per_request: Annotated[
        int, typer.Option("--per-request", metavar="N", min=1, help="Instances of a picture asked about together.")
    ] = 8,
    picture_side: PictureSide = 768,
    neighbours: Annotated[
        int, typer.Option("--neighbours", metavar="N", min=0, help="Nearest objects told of an instance.")
    ] = 3,
    marks: Annotated[bool, typer.Option("--marks", help="Draw the numbered boxes on the picture.")] = False,
    cuts: Annotated[bool, typer.Option("--cuts", help="Send a closer cut of each instance too.")] = False,
    least_side: Annotated[
        float, typer.Option("--least-side", metavar="PX", min=0, help="Boxes narrower than this are poor.")
    ] = 16.0,
    least_share: Annotated[
        float, typer.Option("--least-share", metavar="S", min=0, max=1, help="Boxes under this share of it are poor.")
    ] = 0.001,
    crowds: Annotated[bool, typer.Option("--crowds", help="Describe annotations of crowds too.")] = False,
    answers: AnswerForm = Answers.schema,
    temperature: Temperature = None,
    max_tokens: MostTokens = 4096,
    timeout: Timeout = 120.0,
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
    json_output: Json = False,
) -> None:
    """Let a vision-language model describe every annotated object, several times.

    Prints an estimate first. May be stopped and run again at any time: what was answered is kept and not asked again.
    Ends with 3 if some instances have no description.
    """
    from reir.cli.console import print_json
    from reir.construction import (
        DescribeSettings,
        EndpointSettings,
        Generation,
        Journal,
        QualityRule,
        journal_path,
        key_from,
        read_annotated,
    )

    if endpoint is None or model is None:
        raise UsageError("say which model describes: --endpoint URL --model NAME")
    if out.resolve() == source.resolve():
        raise UsageError(f"{out} would be written over itself. Give --out another name")
    if out.is_dir():
        raise UsageError(f"{out} is a folder: give --out the name of a file")
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
    settings = DescribeSettings(
        descriptions=descriptions,
        instances_a_request=per_request,
        picture_side=picture_side,
        neighbours=neighbours,
        marks=marks,
        cuts=cuts,
        picture_tokens=picture_tokens,
        quality=QualityRule(least_side, least_share, crowds),
    )
    purse = make_purse(price_in, price_out, ask_above, yes, server.local)
    limits = make_limits(concurrency, requests_per_minute, tokens_per_minute, turns, budget, purse)
    data = read_annotated(source, images=images, captions=captions).first(limit)
    data.require_pictures()
    run = Generation(data, out, server, settings=settings, prices=purse.prices)
    if dry_run:
        with Journal.beside(out) if journal_path(out).exists() else nullcontext() as journal:
            estimate = run.estimate(journal)
        print_json(estimate.to_json()) if json_output else print(estimate_text(estimate))
        return
    with Journal.beside(out) as journal:
        run.prepare(journal, anew=other_settings, retry_failed=retry_failed)
        purse.require_consent(run.estimate(journal))
        with shown_run() as (stop, progress):
            done = run.run(journal, limits=limits, stop=stop, progress=progress)
    if json_output:
        print_json(done.to_json())
    else:
        counts = ", ".join(f"{count:,} {quality}" for quality, count in sorted(done.qualities.items()))
        print(f"{out}: {done.pictures:,} pictures, {done.descriptions:,} descriptions; instances: {counts}")
    end_run(done.stopped, done.failed, done.totals["cost"])

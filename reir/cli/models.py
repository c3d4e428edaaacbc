"""``reir models``: which models there are, and their weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reir.cli.arguments import Json
from reir.cli.calibration import register as register_calibrate
from reir.cli.weights import Yes

if TYPE_CHECKING:
    from reir.models import ModelEntry, ModelSpec
    from reir.models.hub import CheckedFile, Source

app = typer.Typer(
    help="List the models, show what is known of one, download and verify weights, calibrate scores.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_DOWNLOAD_EXAMPLES = """\b
Examples:
  reir models download owlv2-base
  reir models download owlv2-base --to owlv2-base     (a folder to carry to a machine without a network)
  reir models download rcnn-clip:ViT-B-16-SigLIP__webli --yes"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from the list, or NAME:TOWER, NAME:FOLDER.")]


@app.command("list", epilog="\b\nExample:\n  reir models list")
def list_(json_output: Json = False) -> None:
    """List the models that can be named with --model, and which of them are here."""
    from reir.cli.console import print_json
    from reir.models import list_models

    entries = list_models()
    if json_output:
        print_json({"models": [_facts(entry) for entry in entries]})
        return
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        megabytes = f"{entry.megabytes:,.0f} MB" if entry.megabytes else ""
        print(f"{entry.name:<{width}}  {_where(entry):<8}  {megabytes:>9}  {entry.summary}")


@app.command(epilog="\b\nExample:\n  reir models show owlv2-base")
def show(name: Name, json_output: Json = False) -> None:
    """Show what is known of one model: world, licence, size, paper, pinned revisions and hashes, calibration."""
    from reir.cli.console import print_json
    from reir.models import model_entry, model_spec

    spec = model_spec(name)
    facts = _facts(model_entry(spec.name), spec)
    if json_output:
        print_json(facts)
        return
    sources = facts.pop("sources")
    made = facts.pop("calibration")
    if made is not None:
        facts["calibration"] = (
            f"on {made['dataset']}, {made['expressions']:,} expressions, {made['pictures']:,} pictures"
        )
    width = max(map(len, facts))
    for label, value in facts.items():
        if value is not None:
            print(f"{label:<{width}}  {value}")
    for source in sources:
        _print_source(source)


def _print_source(source: Mapping[str, Any]) -> None:
    print(f"\nfrom {source['place']}")
    if source["revision"] is None and source["pinned"]:
        pass  # one file, named by its hash
    elif source["revision"] is not None:
        held = "pinned in reir" if source["pinned"] else "recorded at the download, and held to since"
        print(f"  revision {source['revision']}  {held}")
    else:
        print("  revision not pinned: the first download records it, and later ones are held to it")
    for name, known in source["files"].items():
        print(f"  {known['sha256']}  {name}  {known['by']}")
    if not source["files"]:
        print("  hashes not pinned: the first download records what the hub states")


@app.command(epilog=_DOWNLOAD_EXAMPLES)
def download(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A model; also a tower (ViT-B-32__openai) or a repository (ORG/NAME)."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", show_default=False, help="Write a plain folder, to be used as NAME:DIR anywhere."
        ),
    ] = None,
    yes: Yes = False,
    json_output: Json = False,
) -> None:
    """Download what a model needs, after saying how large it is and under which licence.

    An interrupted download goes on where it stopped. Every file is held to its pinned or recorded hash.
    """
    from reir.cli.console import print_json
    from reir.cli.weights import agreed, fetch, plan
    from reir.models import finish_folder, folder_layout

    spec, sources = _what_to_download(name)
    placed: list[tuple[Source, Path | None]] = [(source, None) for source in sources]
    if to is not None:
        to = to.expanduser().resolve()
        placed = [*folder_layout(spec, to)] if spec is not None else [(source, to) for source in sources]
    plans = [plan(source, to=folder) for source, folder in placed]
    if not agreed(name, plans, yes=yes):
        raise typer.Exit(1)
    folders = fetch(plans)
    use = finish_folder(spec, to, sources) if to is not None and spec is not None else None
    if json_output:
        print_json(
            {"model": name, "bytes": sum(planned.size for planned in plans), "folders": [str(to)] if to else folders}
        )
        return
    if use is not None:
        print(f"{to}\nUse it with: --model {use}")
    else:
        print("\n".join([str(to)] if to else folders))


def _what_to_download(name: str) -> tuple[ModelSpec | None, list[Source]]:
    """The model of a name and its sources; a tower or a repository is no model."""
    from reir.errors import UsageError
    from reir.models import model_sources, model_spec, tower_sources
    from reir.models.hub import TOKENIZER_REPOSITORIES, hub_source, tokenizer_source

    if name in TOKENIZER_REPOSITORIES:
        return None, [tokenizer_source(name)]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists():
        return None, [hub_source(name)]
    if "__" in name and ":" not in name:
        return None, tower_sources(name)
    spec = model_spec(name)
    sources = model_sources(spec)
    if not sources:
        raise UsageError(f"{name} has nothing to download: its weights are in the package or in a folder already")
    return spec, sources


@app.command(epilog="\b\nExamples:\n  reir models verify\n  reir models verify owlv2-base")
def verify(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="A model, also NAME:FOLDER; by default all here."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Read the weights again and compare their hashes with those pinned in reir or recorded at the download.

    Exit code 1: a file is damaged or missing.
    """
    from reir.cli.console import note, print_json
    from reir.models import list_models

    names = [name] if name is not None else [entry.name for entry in list_models() if _where(entry) != "missing"]
    checked = {each: _checked(each) for each in names}
    failed = any(file.state in ("damaged", "missing") for files in checked.values() for file in files)
    if json_output:
        print_json(
            {
                "models": {
                    each: [asdict(file) | {"path": str(file.path)} for file in files] for each, files in checked.items()
                },
                "whole": not failed,
            }
        )
        raise typer.Exit(1 if failed else 0)
    for each, files in checked.items():
        for file in files:
            print(f"{file.state:<8}  {each}  {file.path}" + (f"  ({file.by})" if file.by else ""))
        if any(file.state in ("damaged", "missing") for file in files):
            note(f"{each} is not whole. Fetch it anew with: reir models download {each}")
    raise typer.Exit(1 if failed else 0)


def _checked(name: str) -> list[CheckedFile]:
    """How the files of a model fare."""
    from reir.models import model_entry, model_sources, model_spec
    from reir.models.hub import check_folder, check_source

    spec = model_spec(name)
    found = [file for source in model_sources(spec) for file in check_source(source)]
    if spec.argument is not None and Path(spec.argument).is_dir():
        return check_folder(Path(spec.argument)) + found
    if model_entry(spec.name).source == "package":
        return check_folder(Path(str(resources.files("reir.models") / "weights" / spec.name)))
    return found


def _where(entry: ModelEntry) -> str:
    """``package``, ``folder`` (given by the user), ``here`` or ``missing``."""
    from reir.models import ModelSpec, model_sources
    from reir.models.hub import is_here

    if entry.source != "hub":
        return entry.source
    return "here" if all(map(is_here, model_sources(ModelSpec(entry.name)))) else "missing"


def _facts(entry: ModelEntry, spec: ModelSpec | None = None) -> dict[str, Any]:
    """The record of a model, with the weights of the tower or detector that its name may say."""
    from reir.models import ModelSpec, model_sources

    facts = asdict(entry)
    facts["where"] = _where(entry)
    facts["sources"] = [_source_facts(source) for source in model_sources(spec or ModelSpec(entry.name))]
    facts["calibration"] = _calibration(entry)
    return facts


def _source_facts(source: Source) -> dict[str, Any]:
    from reir.models.hub import HubSource, expected_hashes, is_here, pinned_revision

    facts = {"megabytes": source.megabytes, "licence": source.licence, "here": is_here(source)}
    if not isinstance(source, HubSource):
        known = (
            {source.name: {"sha256": source.sha256 + "...", "by": "pinned by its publisher"}} if source.sha256 else {}
        )
        return {"place": source.url, "revision": None, "pinned": bool(known), "files": known, **facts}
    revision = pinned_revision(source)
    files = {
        name: {"sha256": digest, "by": "pinned" if name in source.sha256 else "recorded"}
        for name, digest in sorted(expected_hashes(source.repo, revision or "").items())
    }
    return {
        "place": source.repo,
        "revision": revision,
        "pinned": source.revision is not None,
        "files": files,
        **facts,
    }


def _calibration(entry: ModelEntry) -> dict[str, Any] | None:
    """On what a model of the package was calibrated; None without calibration, or for a model that needs a folder."""
    from reir.models import Calibration, load_model

    calibration = load_model(entry.name).calibration if entry.source == "package" else None
    return dict(calibration.made) if isinstance(calibration, Calibration) else None


register_calibrate(app)

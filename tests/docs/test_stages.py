"""docs/stages.md: its tables are those of the code, its commands parse, its example of a stage works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from reir.cli.app import app
from reir.models import list_grounders
from reir.rerank import STAGE_SECONDS, STAGE_TOP, SnapshotLook, list_stages, run_stage
from reir.search import Searcher
from reir.types import Hit
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import make_index

TEXT = (Path(__file__).parents[2] / "docs" / "stages.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^(reir .*)$", TEXT, re.MULTILINE)


def test_every_stage_and_grounder_is_listed_and_has_a_section() -> None:
    rows = re.findall(r"^\| (`--.*?) \| \[`([\w-]+)[^`]*`\]\(#([\w-]+)\) \|", TEXT, re.MULTILINE)
    listed = {(kind, name) for options, name, _ in rows for kind in re.findall(r"--(\w+)", options)}
    known = {(str(entry.kind), entry.name) for entry in list_stages()}
    assert listed == known | {("grounder", entry.name) for entry in list_grounders()}
    for _, _, anchor in rows:
        assert f"### `{anchor}`" in TEXT


def test_defaults() -> None:
    assert f"| `--stage-top K` ({STAGE_TOP}) |" in TEXT
    assert f"| `--stage-seconds S` ({STAGE_SECONDS:g}) |" in TEXT


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_commands(line: str) -> None:
    _, name, *arguments = shlex.split(line.partition("  ")[0])
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments, resilient_parsing=False)


def test_there_are_examples() -> None:
    assert len(COMMANDS) >= 4
    assert len(PYTHON) == 3
    for example in PYTHON:
        compile(example, "docs/stages.md", "exec")


def test_the_stage_that_is_shown_works(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(next(example for example in PYTHON if "class Larger" in example), names)
    pictures = {"a.png": ("red", "green", "blue", "dark")}
    with make_index(tmp_path, pictures).snapshot() as snapshot:
        model = GridColourModel()
        hits: list[Hit] = list(Searcher(snapshot, model).search("red", flat=True).hits)
        (tall,) = (hit for hit in hits if hit.rank == 3)
        hits[2] = Hit.from_json({**tall.to_json(), "box": [0, 0, 80, 60]})
        outcome = run_stage(names["Larger"](), "red", hits, SnapshotLook(snapshot, model), seconds=9)
    assert outcome.hits[0].instance_id == tall.instance_id
    assert outcome.hits[0].stages["larger"] == {"share": 1.0, "place_before": 3, "place": 1}

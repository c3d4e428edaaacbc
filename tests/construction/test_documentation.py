"""docs/construction.md and the prompts: what they say is so."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from reir.cli import audit, construction, filtering
from reir.construction import RivalRule
from reir.construction.answers import ConfirmedRecord, DescribedRecord, FilteredRecord, answer_schema
from reir.construction.prompts import prompt
from reir.construction.texts import MOST_COMMAS, MOST_WORDS, plain

TEXT = (Path(__file__).parents[2] / "docs" / "construction.md").read_text()
COMMANDS = (construction.generate, filtering.filter_expressions, audit.audit)
VALUES = {"describe": {"count": 5}, "filter": {"sight": "cannot see the photo"}, "confirm": {}}


def test_every_option_that_the_page_names_is_there() -> None:
    known = {name for command in COMMANDS for name in _declared(command)} | {"--json", "--help", "--model", "--db"}
    named = set(re.findall(r"--[a-z][a-z-]+", TEXT))
    assert len(named) > 30
    assert named <= known


def _declared(command: object) -> set[str]:
    """Option names in the source of a command's module and of the options that it shares."""
    from reir.cli import construction_options

    sources = (inspect.getsource(inspect.getmodule(command)), inspect.getsource(construction_options))  # type: ignore[arg-type]
    return {name for source in sources for name in re.findall(r'"(--[a-z][a-z-]+)"', source)}


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    parameters = inspect.signature(construction.generate).parameters
    for option, name in (
        ("descriptions", "descriptions"),
        ("per-request", "per_request"),
        ("neighbours", "neighbours"),
    ):
        assert f"`--{option} {parameters[name].default}`" in TEXT
    assert f"at most {MOST_WORDS} words, {MOST_COMMAS} commas" in TEXT
    assert f"`--margin {RivalRule().margin}`" in TEXT
    assert inspect.signature(filtering.filter_expressions).parameters["margin"].default == RivalRule().margin


@pytest.mark.parametrize(("name", "most"), [("describe", 11), ("filter", 6)])
def test_the_rules_that_the_page_counts_are_in_the_prompt(name: str, most: int) -> None:
    numbered = {int(number) for number in re.findall(r"^(\d+)\. ", prompt(name, **VALUES[name]), flags=re.MULTILINE)}
    assert numbered == set(range(1, most + 1))
    cited = {int(number) for group in re.findall(rf"\| {name} ([\d, ]+)", TEXT) for number in re.findall(r"\d+", group)}
    assert cited <= numbered
    assert len(cited) >= most - 1


@pytest.mark.parametrize(
    ("name", "record"), [("describe", DescribedRecord), ("filter", FilteredRecord), ("confirm", ConfirmedRecord)]
)
def test_the_example_in_a_prompt_is_an_answer_we_would_take(name: str, record: type[BaseModel]) -> None:
    example = prompt(name, **VALUES[name]).splitlines()[-1]
    entries = json.loads(example)["instances"]
    for entry in entries:
        record.model_validate(entry)
    schema = answer_schema(record, [entry["number"] for entry in entries])
    properties = schema["properties"]["instances"]["items"]["properties"]
    assert set(entries[0]) == set(properties)


def test_texts_that_differ_in_form_alone_are_the_same() -> None:
    assert plain("A red  Kettle, on the stove!") == plain("red kettle on a stove")
    assert plain("kettle left of cup") != plain("cup left of kettle")

"""docs/datasets.md: its commands exist, its counts and defaults are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from reir.cli.data import app
from reir.data.expected import EXPECTED, Counts
from reir.training.photos import PhotoConfig, PhotoSource

TEXT = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()


def test_published_counts() -> None:
    found: dict[str, dict[str, Counts]] = {}
    name = ""
    for row in re.findall(r"^\| (`[\w+]+`)? ?\| (\w+) \| ([\d,]+) \| ([\d,]*) ?\| ([\d,]*) ?\|$", TEXT, re.MULTILINE):
        name = row[0].strip("`") or name
        numbers = [int(cell.replace(",", "")) if cell else None for cell in row[2:]]
        found.setdefault(name, {})[row[1]] = Counts(*numbers)
    assert found == EXPECTED


@pytest.mark.parametrize("command", ["convert", "check"])
def test_options_exist(command: str) -> None:
    group = get_command(app)
    known = {option for parameter in group.commands[command].params for option in parameter.opts}  # type: ignore[attr-defined]
    used = set()
    for line in re.findall(rf"^reir data {command} .*$", TEXT, re.MULTILINE):
        used |= set(re.findall(r"--[\w-]+", line))
    assert used <= known
    assert {option for option in known if option.startswith("--")} - {"--json", "--list", "--hash"} <= {
        *re.findall(r"--[\w-]+", TEXT)
    }


def test_defaults() -> None:
    config = PhotoConfig(sources=(PhotoSource(file="demo", task="reir"),))
    table = {
        name: cells[1]
        for cells in re.findall(r"^\| [^|]+ \| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert table["short_side"] == f"{config.short_side[0]} to {config.short_side[1]}"
    assert table["long_side"] == str(config.long_side)
    assert table["flip"] == str(config.flip)
    assert table["crop_side"] == f"{config.crop}, {config.crop_side[0]} to {config.crop_side[1]}"
    assert {config.brightness, config.contrast, config.saturation} == {float(table["contrast"])}
    assert f"steps of {config.short_side_step}" in TEXT
    assert f"at most {config.instances} referred objects" in TEXT
    assert f"{config.categories} in all" in TEXT
    assert config.crop_visible == 0.25

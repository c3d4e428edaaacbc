"""docs/serving.md: its examples run, and its tables are complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reir import Gallery
from reir.server import ServiceSettings, create_app
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import make_index
from tests.serving import running

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "serving.md").read_text()
KEY = "the-key-of-these-examples"


def blocks(language: str) -> list[str]:
    """The code blocks of the page in one language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where a small gallery is served, and a working folder with an example picture."""
    root = tmp_path_factory.mktemp("photos")
    make_index(root, {f"{name}.png": ("red", "green", "blue", "dark") for name in "abcd"}).close()
    keys = root.parent / "keys"
    keys.touch(mode=0o600)
    keys.write_text(f"admin {KEY}\n")
    folder = tmp_path_factory.mktemp("work")
    shutil.copyfile(root / "b.png", folder / "crop.jpg")
    with (
        Gallery.open(root / ".reir", model=GridColourModel(), keep_snapshots=600) as gallery,
        running(create_app(ServiceSettings(api_key_file=keys), gallery=gallery)) as url,
    ):
        yield url, folder


@pytest.mark.parametrize("script", blocks("sh"))
def test_examples_run(served: tuple[str, Path], script: str) -> None:
    url, folder = served
    # As written, but to where the service is, and failing where an answer is an error.
    strict = 'curl() { command curl --fail-with-body --show-error "$@" && echo; }\n'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", strict + script.replace("http://127.0.0.1:8080", url)],
        cwd=folder,
        env=os.environ | {"KEY": KEY, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for answer in done.stdout.splitlines():
        assert not answer or isinstance(json.loads(answer), dict)


def test_there_are_examples() -> None:
    scripts = blocks("sh")
    assert len(scripts) >= 8
    assert sum("/v1/search" in script for script in scripts) >= 5


def test_python_examples_are_python() -> None:
    examples = blocks("python")
    assert len(examples) == 2
    for example in examples:
        compile(example, "docs/serving.md", "exec")


def test_the_answer_shown_has_the_fields_of_an_answer() -> None:
    (shown,) = (json.loads(block) for block in blocks("json"))
    from reir.types import SearchResult

    assert json.loads(json.dumps(SearchResult.from_json(shown).to_json())) == shown


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `REIR_(\w+)` \| `?(.*?)`? \|", TEXT, re.MULTILINE))
    assert set(rows) == {name.upper() for name in ServiceSettings.model_fields}
    for name, field in ServiceSettings.model_fields.items():
        if isinstance(field.default, int | float | str):
            assert rows[name.upper()] == str(field.default)


def test_every_error_code_stands_in_the_table() -> None:
    sources = [path.read_text() for path in (ROOT / "server").rglob("*.py")]
    used = {code for source in sources for code in re.findall(r'\b[45]\d\d[,:] "([a-z_]+)"', source)}
    assert len(used) >= 12
    rows = re.findall(r"^\| [45]\d\d \|(.*?)\|", TEXT, re.MULTILINE)
    told = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert used - {"gone"} <= told

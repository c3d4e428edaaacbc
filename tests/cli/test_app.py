"""What all commands share: help, version, exit codes, and how little a search loads."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reir import rerank
from reir.cli import arguments
from reir.cli.arguments import spread_numbers
from tests.cli.conftest import Reir

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("index", "search", "info", "doctor", "compact", "remove", "export", "eval", "train", "demo"),
    *("data synth", "models list", "models show"),
)
NEVER_FOR_A_SEARCH = ("torch", "torchvision", "transformers", "open_clip", "timm", "pyarrow", "alembic", "scipy")


def test_version(command: Reir) -> None:
    done = command("--version")
    assert (done.code, done.out, done.err) == (0, f"reir {version('reir')}\n", "")


def test_every_command_is_in_the_help(command: Reir) -> None:
    listed = command("--help").out
    for name in COMMANDS:
        assert re.search(rf"^  {name.split()[0]} ", listed, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_carries_an_example_that_parses(command: Reir, name: str) -> None:
    """Every example in the help is a command line that the command takes: only asking for help is added."""
    shown = command(*name.split(), "--help").out
    examples = re.findall(r"^ +reir (.+)$", shown, re.MULTILINE)
    assert examples, shown
    for example in examples:
        words = shlex.split(example)
        assert words[: len(name.split())] == name.split()
        parsed = command(*words, "--help")
        assert (parsed.code, parsed.err) == (0, "")


def test_no_command_is_help_and_a_usage_error(command: Reir) -> None:
    assert command().code == 2
    assert command("no-such-command").code == 2
    assert command("models").code == 2
    assert command("data").code == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("eval demo --k 1 5 10 --iou 0.5", "eval demo --k 1 --k 5 --k 10 --iou 0.5"),
        ("eval --k 1 5 demo", "eval --k 1 --k 5 demo"),
        ("eval --iou .5 0.7 --k 3 --json", "eval --iou .5 --iou 0.7 --k 3 --json"),
        ("eval demo --k", "eval demo --k"),
        ("search 7 dwarfs --top 3", "search 7 dwarfs --top 3"),
        ("search -- --k 1 2", "search -- --k 1 2"),
        ("", ""),
    ],
)
def test_numbers_after_one_option(given: str, expected: str) -> None:
    assert spread_numbers(given.split()) == expected.split()


def test_a_reader_that_has_enough_is_no_error() -> None:
    """``reir models list | head -c 1`` ends without a word on stderr."""
    script = f"{shlex.quote(sys.executable)} -c 'from reir.cli import main; main()' models show clare-tiny"
    done = subprocess.run(["bash", "-c", f"{script} | head -c 1"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.stdout, done.stderr) == ("n", "")


PROBE = """
import sys
from reir.cli.app import run
{setup}
code = run({arguments!r})
print(*sorted(name for name in {never!r} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded_by(arguments: list[str], setup: str = "") -> tuple[str, str]:
    """What a fresh process prints for the arguments, and the modules it has loaded that no search needs."""
    never = NEVER_FOR_A_SEARCH
    code = PROBE.format(setup=setup, arguments=arguments, never=never)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()[-1]


TEST_MODEL = """
import reir.models
from tests.grid_colour_model import GridColourModel
reir.models.load_model = lambda *_, **__: GridColourModel()
"""


def test_a_search_loads_nothing_heavy(indexed: Path) -> None:
    out, loaded = loaded_by(["search", "red", "-t", "1", "--db", str(indexed / ".reir")], TEST_MODEL)
    assert out.startswith("1\t1.000\ta/red.png")
    assert loaded == ""


def test_a_search_with_the_shipped_model_loads_nothing_heavy(tmp_path: Path) -> None:
    pictures = sorted((ROOT / "reir" / "data" / "demo" / "images").glob("*.jpg"))[:2]
    for picture in pictures:
        shutil.copy(picture, tmp_path)
    code = "import sys; from reir.cli.app import run; sys.exit(run(sys.argv[1:]))"
    index = ["index", str(tmp_path), "--model", "clare-tiny"]
    subprocess.run([sys.executable, "-c", code, *index], check=True, capture_output=True, cwd=ROOT, timeout=120)
    out, loaded = loaded_by(["search", "the red dog", "-t", "1", "--db", str(tmp_path / ".reir")])
    assert out.startswith("1\t")
    assert loaded == ""


def test_the_defaults_of_stages_are_those_of_the_library() -> None:
    assert (arguments.STAGE_TOP, arguments.STAGE_SECONDS) == (rerank.STAGE_TOP, rerank.STAGE_SECONDS)

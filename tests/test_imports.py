"""The import contracts hold, over all rooms, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "torchvision",
    "open_clip",
    "transformers",
    "faiss",
    "sqlalchemy",
    "alembic",
    "pyarrow",
    "scipy.stats",
)
TORCH = ("torch", "torchvision", "open_clip", "transformers")


def loaded_after(code: str, packages: tuple[str, ...]) -> list[str]:
    """Which of the packages a fresh interpreter has loaded once it has run the code."""
    probe = f"import sys\n{code}\nprint(*(name for name in {packages!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=120, env=os.environ | {"COLUMNS": "120"}
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


def test_the_graph_holds_every_module_of_the_house() -> None:
    """A contract over modules that were not seen would hold for nothing; linked rooms must be seen too."""
    seen = grimp.build_graph("reir", cache_dir=None).modules
    files = {path for room in ("reir", "indexer", "server", "migrations") for path in (ROOT / room).rglob("*.py")}
    python_files = {path for path in files if path.parent.joinpath("__init__.py").exists()}
    assert len(seen) == len(python_files)
    assert len(seen) >= 150
    assert {"reir.indexer", "reir.server", "reir.migrations", "reir.store", "reir.cli"} <= seen


def test_import_contracts() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("module", ["reir", "reir.cli"])
def test_import_loads_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}", HEAVY) == []


@pytest.mark.parametrize(
    "module",
    ["reir.store", "reir.metrics", "reir.migrations", "reir.geometry", "reir.imaging", "reir.text", "reir.search"],
)
def test_rooms_without_torch(module: str) -> None:
    assert loaded_after(f"import {module}", TORCH) == []


@pytest.mark.parametrize("command", ["", "search", "ground", "index"])
def test_help_loads_nothing_heavy(command: str) -> None:
    run = f"import reir.cli.app\nassert reir.cli.app.run('{command} --help'.split()) == 0"
    assert loaded_after(run, HEAVY) == []

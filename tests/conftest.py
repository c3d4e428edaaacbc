"""What every test can rely on: no network, a fixed seed, few threads, no index or data folder of the user's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from reir.errors import ReirError

# Before anything imports torch, numpy or a hub client: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests themselves run side by side
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
for name in ("REIR_DB", "REIR_DATABASE_URL", "REIR_DEVICE", "REIR_WORKERS"):
    os.environ.pop(name, None)

settings.register_profile("reir", deadline=None, derandomize=True)
settings.load_profile("reir")


def lacking(need: str) -> NoReturn:
    """Skip for want of a system package; fail where the machine promised to have them all (``.ci/run``)."""
    message = f"{need}: run scripts/setup-system.sh"
    if os.environ.get("REIR_REQUIRE_SYSTEM") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own data and cache folders out of every test."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        yield


@contextmanager
def font_or_skip() -> Iterator[None]:
    """Drawing glyphs on a machine without the font skips the test, however deep the font is asked for."""
    try:
        yield
    except ReirError as error:
        from reir.data.scenes.glyphs import EmojiFontError

        if isinstance(error, EmojiFontError):
            lacking(str(error))
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with font_or_skip():
        if item.get_closest_marker("requires_font"):
            from reir.data.scenes.glyphs import find_font

            find_font()
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with font_or_skip():
        yield


@pytest.fixture(scope="session")
def postgres_bin() -> Path:
    """The folder with PostgreSQL's initdb and pg_ctl, of the newest version there is."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    lacking("needs PostgreSQL's server (Debian package postgresql)")

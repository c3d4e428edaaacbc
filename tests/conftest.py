"""What every test can rely on: no network, a fixed seed, few threads, no index or data folder of the user's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports torch, numpy or a hub client: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
for name in ("REIR_DB", "REIR_DATABASE_URL", "REIR_DEVICE", "REIR_WORKERS"):
    os.environ.pop(name, None)

settings.register_profile("reir", deadline=None, derandomize=True)
settings.load_profile("reir")


def postgres_binaries() -> Path | None:
    """The folder with initdb and pg_ctl, newest version first; None where PostgreSQL's server is not installed."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(f.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def has_emoji_font() -> bool:
    """Whether the scene generator finds its font."""
    from reir.data.scenes.glyphs import EmojiFontError, find_font

    try:
        find_font()
    except EmojiFontError:
        return False
    return True


def missing_system_package(item: pytest.Item) -> str | None:
    """The Debian package that a test is marked to need and this machine lacks."""
    if item.get_closest_marker("requires_font") and not has_emoji_font():
        return "fonts-noto-color-emoji"
    if item.get_closest_marker("requires_postgres") and postgres_binaries() is None:
        return "postgresql"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks its system package; fail it where the machine promised to have them all."""
    package = missing_system_package(item)
    if package is None:
        return
    message = f"needs the system package {package}: run scripts/setup-system.sh"
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


@pytest.fixture(scope="session")
def postgres_bin() -> Path:
    """The folder with PostgreSQL's initdb and pg_ctl; for tests marked ``requires_postgres``."""
    folder = postgres_binaries()
    assert folder is not None, "mark the test with requires_postgres"
    return folder

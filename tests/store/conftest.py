from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reir.store import Index
from tests.store.gallery import MODEL


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An empty index inside its gallery folder."""
    (tmp_path / "photos").mkdir()
    return Index.create(tmp_path / "photos", db=tmp_path / "photos" / ".reir", model=MODEL)


@pytest.fixture(scope="session")
def postgres(postgres_bin: Path) -> Iterator[Callable[[], str]]:
    """Makes empty databases in a throwaway PostgreSQL cluster; gives their URLs."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    # Below /tmp, because user postgres may not enter pytest's folders and socket paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="reir-pg-", dir="/tmp"))
    user, as_user = getpass.getuser(), []
    try:
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            user, as_user = "postgres", ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        start = f"-k {folder} -c fsync=off -c listen_addresses=''"
        commands = [
            [f"{postgres_bin}/initdb", "-D", str(data), "-U", user, "-A", "trust", "--locale=C.UTF-8"],
            [f"{postgres_bin}/pg_ctl", "-D", str(data), "-w", "-o", start, "-l", str(folder / "log"), "start"],
        ]
        for command in commands:
            done = subprocess.run([*as_user, *command], capture_output=True, text=True, cwd=folder)
            assert done.returncode == 0, done.stderr
        made = 0

        def new_database() -> str:
            nonlocal made
            made += 1
            with psycopg.connect(f"host={folder} user={user}", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE test{made}")
            return f"postgresql+psycopg://{user}@/test{made}?host={folder}"

        yield new_database
        stop = [f"{postgres_bin}/pg_ctl", "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run([*as_user, *stop], capture_output=True, cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_index(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    """An empty index, once for each database that may hold its tables."""
    url = request.getfixturevalue("postgres")() if request.param == "postgresql" else None
    (tmp_path / "photos").mkdir()
    return Index.create(tmp_path / "photos", db=tmp_path / "db", model=MODEL, database_url=url)

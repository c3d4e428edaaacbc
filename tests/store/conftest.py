from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reir.store import Index
from tests.store.gallery import MODEL

POSTGRES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An empty index inside its gallery folder."""
    (tmp_path / "photos").mkdir()
    return Index.create(tmp_path / "photos", db=tmp_path / "photos" / ".reir", model=MODEL)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes empty databases in a throwaway PostgreSQL cluster; gives their URLs."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not POSTGRES.exists() or shutil.which("runuser") is None:
        pytest.skip("PostgreSQL 15 is not installed")
    # Below /tmp, because user postgres may not enter pytest's folders and socket paths must be short.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/reir-pg-XXXXXX"], text=True).strip())
    as_postgres = ["runuser", "-u", "postgres", "--"]
    try:
        shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        start = f"-k {folder} -c fsync=off -c listen_addresses=''"
        commands = [
            [f"{POSTGRES}/initdb", "-D", str(data), "-A", "trust", "--locale=C.UTF-8"],
            [f"{POSTGRES}/pg_ctl", "-D", str(data), "-w", "-o", start, "-l", str(folder / "log"), "start"],
        ]
        for command in commands:
            done = subprocess.run([*as_postgres, *command], capture_output=True, text=True, cwd=folder)
            if done.returncode:
                pytest.skip(f"no throwaway PostgreSQL here: {done.stderr.strip().splitlines()[-1:]}")
        made = 0

        def new_database() -> str:
            nonlocal made
            made += 1
            with psycopg.connect(f"host={folder} user=postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE test{made}")
            return f"postgresql+psycopg://postgres@/test{made}?host={folder}"

        yield new_database
        stop = [f"{POSTGRES}/pg_ctl", "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run([*as_postgres, *stop], capture_output=True, cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_index(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    """An empty index, once for each database that may hold its tables."""
    url = request.getfixturevalue("postgres")() if request.param == "postgresql" else None
    (tmp_path / "photos").mkdir()
    return Index.create(tmp_path / "photos", db=tmp_path / "db", model=MODEL, database_url=url)

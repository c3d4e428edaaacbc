"""What `pip install reir` puts on a machine: every module, every data file, and the linked rooms inside `reir`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("reir", "indexer", "server", "migrations")


def package_files(source: Path) -> set[str]:
    """Names inside the package of all the files of a tree that must be installed, linked rooms under `reir/`."""
    names = set()
    for room in ROOMS:
        for path in (source / room).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                name = PurePosixPath(path.relative_to(source))
                names.add(str(name if room == "reir" else "reir" / name))
    return names


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta as b; print(b.build_wheel('..')); print(b.build_sdist('..'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_wheel_holds_every_module_and_data_file(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = package_files(built / "source")
    assert len(expected) >= 150
    assert expected - names == set()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"reir"}, "nothing beside reir is installed"


def test_source_archive_holds_the_same(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert package_files(built / "source") - names == set()
    assert {"LICENSE", "NOTICE", "README.md"} <= names


def test_installed_rooms_are_inside_reir(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path)
    code = "import reir, reir.indexer as i, reir.migrations as m; print(reir.__file__, i.__file__, m.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    expected = [tmp_path / "reir" / room / "__init__.py" for room in ("", "indexer", "migrations")]
    assert [Path(name) for name in done.stdout.split()] == expected

"""The wheel, installed where nothing of the repository is, does what reir promises, from another folder."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reir import Client
from tests.search.galleries import paint
from tests.test_container_files import ROOT, copied_sources

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment into which the wheel was installed, and that sees the dependencies installed here.

    The wheel is built from what the Dockerfile copies, so that a file which the image lacks is missed here.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in copied_sources():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta as b; print(b.build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=120)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")

    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    installer = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*installer, str(wheel)], check=True, capture_output=True, timeout=120)
    packages = python.parents[1] / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # A folder named in a .pth file is looked through after this one, and the .pth files in it are not read: what an
    # editable install would add of the repository stays away.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import reir, reir.server, reir.migrations as m; print(reir.__file__, m.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert all(Path(name).is_relative_to(packages) for name in where.stdout.split())
    return python.with_name("reir")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one picture in it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    paint(folder / "photos" / "a.png", ("red", "green", "blue", "dark"))
    return folder


@pytest.fixture(scope="module")
def index(reir: Path, elsewhere: Path) -> Path:
    """An index made by the installed command: the migrations, the weights and the text branch are there."""
    done = run(reir, elsewhere, "index", "photos", "--model", "clare-tiny", "--json")
    assert json.loads(done)["new"] == 1
    return elsewhere / "photos" / ".reir"


def run(reir: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run([reir, *arguments], cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def served(reir: Path, index: Path, elsewhere: Path) -> Iterator[str]:
    """Where the installed command serves the index."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (elsewhere / "log").open("w")
    process = subprocess.Popen(
        [reir, "serve", "--db", str(index), "--port", str(port)], cwd=elsewhere, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=0)) as client:
            until = time.monotonic() + 60
            while time.monotonic() < until and process.poll() is None:
                try:
                    client.get(f"{url}/readyz").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
        assert process.poll() is None, (elsewhere / "log").read_text()
        yield url
    finally:
        process.terminate()
        assert process.wait(30) in (0, -15)
        log.close()


def test_version_and_models(reir: Path, elsewhere: Path) -> None:
    assert run(reir, elsewhere, "--version").startswith("reir ")
    assert "clare-tiny" in run(reir, elsewhere, "models", "list")


def test_search(reir: Path, index: Path, elsewhere: Path) -> None:
    found = json.loads(run(reir, elsewhere, "search", "red ball", "--db", str(index), "--json"))
    assert {hit["path"] for hit in found["hits"]} == {"a.png"}


def test_the_data_files_are_inside(reir: Path) -> None:
    packages = next(reir.parents[1].glob("lib/python*/site-packages/reir"))
    files = {str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()}
    weights = "models/weights/clare-tiny"
    expected = {f"{weights}/{file.name}" for file in (ROOT / "reir" / weights).iterdir()}
    assert len(expected) >= 5
    expected |= {f"server/page/{name}" for name in ("index.html", "app.js", "style.css")}
    expected |= {"py.typed", "data/demo/demo.json"}
    assert expected - files == set()
    assert len([name for name in files if name.startswith("migrations/versions/") and name.endswith(".py")]) >= 1


def test_the_service_answers(served: str) -> None:
    with Client(served) as client:
        assert client.info().images == 1
        hit = client.search("red ball", top=1).hits[0]
        assert client.crop(hit.instance_id)[:2] == b"\xff\xd8"
    with httpx.Client(base_url=served) as browser:
        page = browser.get("/")
        assert page.headers["content-type"].startswith("text/html")
        for name in ("app.js", "style.css"):
            assert name in page.text
            assert browser.get(f"/static/{name}").status_code == 200

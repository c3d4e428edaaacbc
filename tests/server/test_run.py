"""``reir serve``: what it refuses, and that several processes answer, count and stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import reir
from reir.errors import UsageError
from reir.server import ServiceSettings
from reir.server.run import is_loopback, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org"])
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(UsageError, match="--api-key-file"):
        serve(ServiceSettings(), host=host)


def test_settings_come_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIR_BATCH", "5")
    monkeypatch.setenv("REIR_CORS_ORIGINS", '["https://photos.example"]')
    monkeypatch.setenv("REIR_DB", "/somewhere")
    settings = ServiceSettings()
    assert (settings.batch, settings.cors_origins, settings.db) == (5, ("https://photos.example",), Path("/somewhere"))


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index by the embedded model without pictures: it is made at once, and can be searched."""
    root = tmp_path_factory.mktemp("gallery")
    with reir.Gallery.create(root, model="clare-tiny") as gallery:
        return gallery.db


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_answer_count_together_and_stop(db: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", "from reir.cli import main; main()", "serve", "--db", str(db), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    process = subprocess.Popen([*command, "--workers", "2"], env=environment, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180  # two processes that import torch on a busy machine
        while True:
            try:
                httpx.get(f"{url}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
        for _ in range(20):  # every one on a connection of its own, so that both processes get some
            answer = httpx.post(f"{url}/v1/search", json={"expression": "a red dog"}, timeout=60)
            assert answer.json()["hits"] == []
        counted = [
            line for line in httpx.get(f"{url}/metrics").text.splitlines() if 'route="/v1/search",status="200"' in line
        ]
        assert [float(line.split()[-1]) for line in counted] == [20.0]
        refused = httpx.get(f"{url}/v1/stats", headers={"Host": "photos.attacker.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said


def test_what_is_wrong_with_the_index_is_said_before_it_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from reir.cli import main; main()", "serve", "--db", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no index at" in done.stderr
    assert done.stdout == ""

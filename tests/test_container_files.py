"""What can be said of the Dockerfile and of compose.yaml without building an image."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

import click
import pytest
import typer
import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SECRETS = ("api-keys", ".env", "secrets/api-keys", ".git/config", "photos/IMG_1.jpg", "runs/x/checkpoint.pt")


def instructions(dockerfile: Path = ROOT / "Dockerfile") -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order: (``COPY``, what follows it)."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in found]


def copied_sources() -> list[str]:
    """What is copied from the repository into the first stage, in order."""
    copies = [shlex.split(rest) for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    return [source for *sources, _ in copies for source in sources]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a file out: the last pattern that matches it or a folder above it decides."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    path = PurePosixPath(name)
    out = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        anywhere = bare.removeprefix("**/")
        for place in (path, *path.parents[:-1]):
            if place.match(anywhere) and (bare != anywhere or "/" not in str(place)):
                out = not pattern.startswith("!")
    return out


def arguments_are_understood(arguments: list[str]) -> None:
    """Parse a command line of reir, and run nothing."""
    from reir.cli.app import app

    group: Any = typer.main.get_command(app)
    context = click.Context(group)
    command = group.get_command(context, arguments[0])
    assert command is not None, f"reir has no command {arguments[0]}"
    command.make_context(arguments[0], arguments[1:], parent=context)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_file_follows_the_specification() -> None:
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_there_and_nothing_else_gets_in() -> None:
    sources = copied_sources()
    assert len(sources) >= 8
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), f".dockerignore keeps {source} out"
    assert not ignored("reir/models/weights/clare-tiny/model.safetensors")
    assert [name for name in (*SECRETS, "reir/__pycache__/types.pyc", "tests/conftest.py") if not ignored(name)] == []


def test_the_image_runs_without_rights_and_carries_no_secret() -> None:
    words = dict(instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", words["USER"])
    for word, rest in instructions():
        if word in ("ENV", "ARG"):
            assert not re.search(r"(?i)key|password|token|secret", rest)


def test_every_stage_starts_from_a_pinned_version() -> None:
    bases = [rest for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    for base in bases:
        assert re.match(r"python:\d+\.\d+-slim-\w+", base)


def test_commands_of_the_image_are_understood(compose: dict[str, Any]) -> None:
    words = dict(instructions())
    assert json.loads(words["ENTRYPOINT"]) == ["reir"]
    commands = [json.loads(words["CMD"])]
    commands += [service["command"] for service in compose["services"].values() if "command" in service]
    assert len(commands) >= 2
    for command in commands:
        arguments_are_understood(command)


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        arguments_are_understood(["index", "/photos", "--no-such-option"])


def test_compose_services_are_closed_and_wait_for_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "healthcheck" in services["database"]
    for name in ("reir", "index"):
        service = services[name]
        assert service["depends_on"]["database"]["condition"] == "service_healthy"
        (photos,) = (volume for volume in service["volumes"] if isinstance(volume, dict))
        assert photos["read_only"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert services["index"]["profiles"], "indexing runs when it is asked for"
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    served = json.loads(dict(instructions())["CMD"])
    (secret,) = services["reir"]["secrets"]
    assert served[served.index("--api-key-file") + 1] == f"/run/secrets/{secret}"
    assert secret in compose["secrets"]
    assert all(":" in service["image"] for service in services.values() if "build" not in service)


@pytest.fixture
def answering() -> Iterator[tuple[int, list[int]]]:
    """The port of a server, and the status that it answers with."""
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, status
        server.shutdown()
        thread.join()


def test_the_health_check_tells_ready_from_not_ready(answering: tuple[int, list[int]]) -> None:
    port, status = answering
    check = dict(instructions())["HEALTHCHECK"]
    _, script = check.split("CMD ")
    python, *arguments = json.loads(script)
    assert python == "python"
    assert ":8080/" in arguments[1]
    arguments[1] = arguments[1].replace(":8080/", f":{port}/")

    def healthy() -> bool:
        return subprocess.run([sys.executable, *arguments], capture_output=True, timeout=30).returncode == 0

    assert healthy()
    status[0] = 503
    assert not healthy()

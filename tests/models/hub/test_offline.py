"""Without a network the answer is there within five seconds, and says what to do. The seconds are a requirement."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from reir.errors import WeightsMissingError
from reir.models.hub import find_folder, hub_source, listing, plan_download
from tests.models.hub.server import silent_server

OWL = hub_source("google/owlv2-base-patch16-ensemble")


def refused(message: str) -> str:
    started = time.monotonic()
    with pytest.raises(WeightsMissingError, match=message) as caught:
        plan_download(OWL)
    assert time.monotonic() - started < 5
    return str(caught.value)


def test_a_network_that_is_forbidden(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = refused("HF_HUB_OFFLINE forbids the network")
    assert "reir models download owlv2-base --to owlv2-base" in text
    assert "--model owlv2-base:owlv2-base" in text


def test_a_server_that_refuses(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refused("cannot be reached")


def test_a_server_that_never_answers(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        refused("did not answer within 2.5 seconds|cannot be reached")


def test_a_name_that_is_never_resolved(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name resolution knows no time limit of its own."""
    released = threading.Event()
    monkeypatch.setattr(listing, "_request", lambda *_: released.wait(60))
    refused("did not answer within 2.5 seconds")
    released.set()


def test_a_page_in_place_of_the_hub(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.models.hub.server import tiny_hub

    with tiny_hub({}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        refused("answers 404")


def test_weights_are_looked_for_without_a_network(online: None, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(WeightsMissingError, match="reir models download owlv2-base"):
        find_folder(OWL.repo)
    assert time.monotonic() - started < 1

"""Runs of generation against a server, and what they left behind."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from reir.construction import (
    DescribeSettings,
    EndpointSettings,
    Generated,
    Generation,
    Journal,
    Limits,
    Prices,
    read_annotated,
)
from tests.construction.galleries import paint_gallery


def run(
    folder: Path,
    url: str,
    *,
    settings: DescribeSettings | None = None,
    limits: Limits | None = None,
    stop: threading.Event | None = None,
    pictures: int | None = None,
    retry_failed: bool = False,
    anew: bool = False,
    **options: Any,
) -> Generated:
    source = folder / "instances.json"
    if not source.exists():
        paint_gallery(folder)
    endpoint = EndpointSettings(url, "seer", **{"timeout": 30.0, "longest_pause": 0.05} | options)
    data = read_annotated(source, captions=folder / "captions.json").first(pictures)
    generation = Generation(data, folder / "described.json", endpoint, settings=settings, prices=Prices(2.0, 10.0))
    with Journal.beside(generation.out) as journal:
        generation.prepare(journal, anew=anew, retry_failed=retry_failed)
        return generation.run(journal, limits=limits, stop=stop)


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "described.json.ledger.jsonl").read_text().splitlines()]


def annotations(folder: Path) -> dict[int, dict[str, Any]]:
    return {one["id"]: one for one in json.loads((folder / "described.json").read_text())["annotations"]}

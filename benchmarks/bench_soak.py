"""Minutes of everything at once: does the service stay whole, and as small as it was?

Clients search, page and fetch pictures while pictures come and go: through the service's own administration, and
through ``reir index`` in other processes. Every answer must be what the state of the gallery allows: an error is
counted as one unless it is a refusal for being busy (503), or about a picture that was just taken out (404, 410).
Memory without mapped files, open handles and threads are noted all the time, and a line is fitted through those after
the warm-up. Superseded snapshots are kept for some seconds only, so that letting go of them is part of what is tried.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from machine import print_machine
from service import REIR, RunningService

from reir import Client, ReirError, ServiceError
from reir.data.coco import load_dataset
from reir.errors import InstanceGoneError, SnapshotGoneError

PASSING = "passing"
"""The folder whose pictures come and go; all others stay, and are always there."""


@dataclass
class Tally:
    """What was done and what went wrong, from all threads."""

    done: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    gone: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, name: str, action: Callable[[], None]) -> None:
        """Do it, and count what came of it."""
        try:
            action()
        except (InstanceGoneError, SnapshotGoneError):
            with self.lock:
                self.gone += 1
        except ServiceError as error:
            with self.lock:
                if error.status == 503:
                    self.refused += 1
                elif error.status == 404:
                    self.gone += 1
                else:
                    self.wrong.append(f"{name}: {error}")
        except (ReirError, AssertionError, OSError) as error:
            with self.lock:
                self.wrong.append(f"{name}: {type(error).__name__}: {error}")
        else:
            with self.lock:
                self.done[name] += 1


class Load:
    """What the clients do, one kind of work a method; each is called again and again in a thread of its own."""

    def __init__(self, client: Client, root: Path, texts: list[str], spare: list[Path]) -> None:
        self.client = client
        self.root = root
        self.spare = spare
        self._texts = texts
        self._random = random.Random(0)
        self._numbers = itertools.count()

    def search(self) -> None:
        """A search whose hits are all in pictures that were there when its snapshot was made."""
        result = self.client.search(self._random.choice(self._texts), top=10)
        assert result.hits, "a search found nothing"
        assert [hit.rank for hit in result.hits] == sorted(hit.rank for hit in result.hits)

    def page(self) -> None:
        """Some pages of one answer, in which nothing is repeated."""
        seen: set[int] = set()
        pages = self.client.pages(self._random.choice(self._texts), top=25, flat=True)
        for page in itertools.islice(pages, 4):
            fresh = {hit.instance_id for hit in page.hits}
            assert len(fresh) == len(page.hits), "an instance stands twice on a page"
            assert not fresh & seen, "an instance stands on two pages"
            seen |= fresh

    def look(self) -> None:
        """The pictures of a hit that stays: whole, annotated and cut out, and more like it."""
        hits = self.client.search(self._random.choice(self._texts), path_prefix="stay/").hits
        hit = self._random.choice(hits)
        for body in (
            self.client.thumbnail(hit.image_id, side=320),
            self.client.annotated(hit.image_id, [hit.instance_id], side=640),
            self.client.crop(hit.instance_id, side=160),
        ):
            assert body[:2] == b"\xff\xd8", "no JPEG came"
        assert any(like.instance_id == hit.instance_id for like in self.client.like(hit.instance_id, top=3).hits)

    def look_at_passing(self) -> None:
        """The pictures of a hit that may be gone before it is asked for."""
        hits = self.client.search(self._random.choice(self._texts), path_prefix=f"{PASSING}/").hits
        if hits:
            hit = self._random.choice(hits)
            self.client.thumbnail(hit.image_id)
            self.client.crop(hit.instance_id)

    def administer(self) -> None:
        """A picture put in and taken out over HTTP."""
        number = next(self._numbers)
        name = f"{PASSING}/http-{number:06d}.jpg"
        shutil.copyfile(self.spare[number % len(self.spare)], self.root / name)
        with self._there_until_done(self.root / name):
            self.client.wait(self.client.add([name]), timeout=120)
            for image_id in {hit.image_id for hit in self.client.search("red", path_prefix=name).hits}:
                self.client.wait(self.client.remove(image_id), timeout=120)

    def index(self) -> None:
        """A picture put in by one process and taken out by another."""
        number = next(self._numbers)
        name = f"{PASSING}/process-{number:06d}.jpg"
        shutil.copyfile(self.spare[number % len(self.spare)], self.root / name)
        with self._there_until_done(self.root / name):
            reir("index", self.root / PASSING, "--db", self.root / ".reir")
        reir("index", self.root / PASSING, "--db", self.root / ".reir", "--prune")

    @contextmanager
    def _there_until_done(self, path: Path) -> Iterator[None]:
        try:
            yield
        finally:
            path.unlink()


def reir(*arguments: object) -> None:
    """Run a command; one that another writer keeps out is run again."""
    command = [*REIR, *(str(argument) for argument in arguments)]
    for _ in range(60):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return
        if "is being written by" not in done.stderr:
            break
        time.sleep(0.5)
    raise OSError(f"reir {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def slope(seconds: list[float], values: list[float]) -> float:
    """Growth a minute of the line through the points."""
    return float(np.polyfit(np.array(seconds) / 60, np.array(values), 1)[0]) if len(seconds) > 1 else 0.0


def make_gallery(root: Path, stable: int) -> tuple[list[str], list[Path]]:
    """Index the first pictures of the gallery that ships with reir; expressions, and the pictures that are left."""
    data = load_dataset("demo")
    files = [data.images_root / image.file_name for image in data.images]
    (root / "stay").mkdir(parents=True)
    (root / PASSING).mkdir()
    for file in files[:stable]:
        shutil.copyfile(file, root / "stay" / file.name)
    reir("index", root, "--model", "clare-tiny")
    return [query.text for query in data.queries], files[stable:]


def soak(given: argparse.Namespace, folder: Path) -> int:
    """0 if all went well."""
    root = folder / "gallery"
    texts, spare = make_gallery(root, given.pictures)
    keys = folder / "keys"
    key = secrets.token_urlsafe(24)
    keys.touch(mode=0o600)
    keys.write_text(f"admin {key}\n")
    tally = Tally()
    stop = threading.Event()
    samples: list[tuple[float, float, float, float]] = []

    def repeat(name: str, action: Callable[[], None], pause: float) -> None:
        while not stop.wait(pause):
            tally.run(name, action)

    os.environ["REIR_KEEP_SNAPSHOTS"] = str(given.keep_snapshots)
    options = ["--api-key-file", str(keys), *given.serve]
    with (
        RunningService(root / ".reir", options=options, log=folder / "serve.log") as service,
        Client(service.url, api_key=key) as client,
    ):
        load = Load(client, root, texts, spare)
        work = [("search", load.search, 0.0)] * given.searchers
        work += [("page", load.page, 0.02), ("look", load.look, 0.02), ("passing", load.look_at_passing, 0.1)]
        work += [("administer", load.administer, 0.2), ("index", load.index, 0.5)]
        threads = [threading.Thread(target=repeat, args=item) for item in work]
        begun = time.monotonic()
        first = client.info().snapshot
        for thread in threads:
            thread.start()
        while (elapsed := time.monotonic() - begun) < given.minutes * 60:
            samples.append((elapsed, service.resident_bytes / 2**20, service.handles, service.threads))
            time.sleep(min(2.0, given.minutes * 60 / 20))
        stop.set()
        for thread in threads:
            thread.join()
        snapshots = client.info().snapshot - first
        log = service.log.read_text()

    kept = [sample for sample in samples if sample[0] > given.warm_up * given.minutes * 60]
    seconds = [sample[0] for sample in kept]
    print(", ".join(f"{count} x {name}" for name, count in sorted(tally.done.items())) + f", {snapshots} new snapshots")
    print(f"refused as busy {tally.refused}, gone meanwhile {tally.gone}, wrong {len(tally.wrong)}")
    healthy = not tally.wrong and "Traceback" not in log
    for place, (name, unit, most) in enumerate(
        [("memory", "MB", given.most_memory), ("open handles", "", 4.0), ("threads", "", 2.0)], start=1
    ):
        values = [sample[place] for sample in kept]
        growth = slope(seconds, values)
        total = growth * (seconds[-1] - seconds[0]) / 60
        print(
            f"{name}: {values[0]:.0f} {unit} after the warm-up, {values[-1]:.0f} {unit} at the end, at most "
            f"{max(values):.0f} {unit}; fitted growth {growth:+.2f} {unit} a minute, {total:+.1f} {unit} in all"
        )
        healthy &= total <= most
    for wrong in tally.wrong[:20]:
        print(wrong)
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:3000])
    print("passed" if healthy else "FAILED")
    return 0 if healthy else 1


def main() -> None:
    """Soak and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--warm-up", type=float, default=0.3, help="share of the time before growth is looked at")
    options.add_argument("--pictures", type=int, default=120, help="that stay in the gallery")
    options.add_argument("--keep-snapshots", type=float, default=20.0, help="seconds for which pages stay good")
    options.add_argument("--searchers", type=int, default=4)
    options.add_argument("--most-memory", type=float, default=20.0, help="MB of growth after the warm-up that pass")
    options.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="further options of reir serve")
    given = options.parse_args()
    print_machine(["reir", "fastapi", "uvicorn", "onnxruntime", "torch"], seed=0)
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(soak(given, Path(folder)))


if __name__ == "__main__":
    main()

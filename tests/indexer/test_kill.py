"""A run that is killed, interrupted or fails leaves the index as of its last commit, and the next run goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from reir.indexer import IndexOptions, open_or_create, run_index
from reir.store import Index
from reir.types import Instances, Picture
from tests.grid_colour_model import GridColourModel
from tests.indexer.galleries import contents, fill, paint

RUN = """
import sys, time
from pathlib import Path
from reir.indexer import IndexOptions, open_or_create, run_index
from tests.grid_colour_model import GridColourModel

class Slow(GridColourModel):
    def extract(self, pictures):
        time.sleep(0.05)
        return super().extract(pictures)

model = Slow()
print("begun", flush=True)
report = run_index(
    open_or_create(Path(sys.argv[1]), model), model,
    IndexOptions(workers=1, batch=4, commit_pictures=6),
    progress=lambda state: print(state.phase, state.done, flush=True),
)
print("interrupted" if report.interrupted else "done", report.new, flush=True)
"""
REPOSITORY = Path(__file__).parents[2]


def begin(root: Path) -> subprocess.Popen[str]:
    """An index run in a process of its own, that has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(root)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def wait_for_commit(index: Index, number: int) -> None:
    """Returns when the index has published ``number`` snapshots."""
    for _ in range(1000):
        with index.snapshot() as snapshot:
            if snapshot.number >= number:
                return
        time.sleep(0.01)
    pytest.fail("the run has committed nothing")


def undisturbed(root: Path, model: GridColourModel, folder: Path) -> dict[str, tuple[object, ...]]:
    """What an index of the gallery holds that was made in one go."""
    index = open_or_create(root, model, db=folder / "undisturbed")
    run_index(index, model, IndexOptions(workers=0))
    return contents(index)


def test_killed_at_random_moments_and_resumed(root: Path, tmp_path: Path, model: GridColourModel) -> None:
    paths = fill(root, 60)
    (root / "broken.png").write_bytes(b"no picture")
    (root / "zcopy.png").write_bytes(paths[2].read_bytes())
    index = open_or_create(root, model)
    rng = random.Random(7)
    for round_ in (1, 3):
        process = begin(root)
        wait_for_commit(index, round_)
        time.sleep(rng.random() * 0.15)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        with index.snapshot() as snapshot:
            kept = snapshot.image_count + snapshot.failed_count
        assert 0 < kept < 62
        assert not [finding for finding in index.check() if finding.severity == "error"]
    report = run_index(index, model, IndexOptions(workers=0))
    assert report.new + report.duplicates + len(report.failed) == 62 - kept
    assert report.unchanged + report.failed_before == kept
    assert contents(index) == undisturbed(root, model, tmp_path)


def test_ctrl_c_keeps_what_was_done_and_says_so(root: Path, tmp_path: Path, model: GridColourModel) -> None:
    fill(root, 200)
    index = open_or_create(root, model)
    process = begin(root)
    wait_for_commit(index, 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    last = output.splitlines()[-1].split()
    assert process.returncode == 0
    assert last[0] == "interrupted"
    with index.snapshot() as snapshot:
        assert snapshot.image_count == int(last[1])
    assert 0 < int(last[1]) < 200
    run_index(index, model, IndexOptions(workers=0))
    assert contents(index) == undisturbed(root, model, tmp_path)


class Moody(GridColourModel):
    """Fails on pictures of one width, and on every batch after the first where ``fatal``."""

    def __init__(self, *, bad_width: int = 0, fatal: bool = False) -> None:
        super().__init__()
        self.bad_width = bad_width
        self.fatal = fatal

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        if self.fatal and self.extracted >= 4:
            raise KeyboardInterrupt
        if any(picture.width == self.bad_width for picture in pictures):
            raise RuntimeError("too odd for me")
        return super().extract(pictures)


def test_a_picture_that_the_model_cannot_take_costs_no_other(root: Path, index: Index) -> None:
    fill(root, 6)
    odd = paint(root / "0001.png", 3, width=50)
    (root / "0001copy.png").write_bytes(odd.read_bytes())  # comes while the picture waits for its batch
    report = run_index(index, Moody(bad_width=50), IndexOptions(workers=0, batch=8))
    assert report.new == 5
    assert report.failed == [
        ("0001.png", "the model failed on it: too odd for me"),
        ("0001copy.png", "the model failed on a picture with the same content"),
    ]


def test_a_model_that_never_works_is_an_error_not_a_gallery_of_broken_pictures(root: Path, index: Index) -> None:
    fill(root, 3)
    for picture in root.iterdir():
        if picture.suffix == ".png":
            paint(picture, 5, width=50)
    with pytest.raises(RuntimeError, match="too odd"):
        run_index(index, Moody(bad_width=50), IndexOptions(workers=0))
    assert contents(index) == {}


def test_what_was_done_before_an_error_is_kept(root: Path, index: Index) -> None:
    fill(root, 12)
    with pytest.raises(KeyboardInterrupt):
        run_index(index, Moody(fatal=True), IndexOptions(workers=0, batch=4))
    assert len(contents(index)) == 4


def test_a_file_that_goes_while_the_run_is_under_way(root: Path, index: Index) -> None:
    paths = fill(root, 12)

    class Tidying(GridColourModel):
        def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
            paths[-1].unlink(missing_ok=True)
            return super().extract(pictures)

    report = run_index(index, Tidying(), IndexOptions(workers=0, batch=4))
    assert (report.new, report.failed) == (11, [])
    assert os.fspath(paths[-1].name) not in contents(index)

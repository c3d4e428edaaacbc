"""A checkpoint folder put to use: batches, time, and what is remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reir.models.vatex import segmenter as module
from reir.models.vatex.segmenter import Segmenter, find_segmenter
from reir.types import Picture
from tests.models.vatex.tiny_vatex import save_tiny_vatex, with_tower


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("vatex")
    return save_tiny_vatex(root / "made", with_tower(root / "clip"))


def questions() -> list[tuple[Picture, str]]:
    rng = np.random.default_rng(0)
    sizes = ((64, 64), (64, 96), (64, 64), (80, 64), (64, 64))
    texts = ("the red dog on the left", "cat", "far left", "the lamp near the sofa", "a tree")
    pictures = [Picture(rng.integers(0, 255, (h, w, 3), dtype=np.uint8), w, h) for h, w in sizes]
    return list(zip(pictures, texts, strict=True))


def test_batches_answer_as_single_pictures(folder: Path) -> None:
    together = Segmenter(folder, device="cpu").ask(questions())
    single = Segmenter(folder, device="cpu")
    for question, found in zip(questions(), together, strict=True):
        (alone,) = single.ask([question])
        assert found is not None
        assert alone is not None
        np.testing.assert_allclose(found.logits, alone.logits, atol=2e-3, rtol=1e-3)
        np.testing.assert_allclose(found.chances, alone.chances, atol=1e-4)


def test_time_ends_between_batches_and_answers_are_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    asked = Segmenter(folder, device="cpu")
    first = asked.ask(questions(), out_of_time=lambda: True)
    assert sum(answer is not None for answer in first) == 1
    second = asked.ask(questions(), out_of_time=lambda: True)
    assert sum(answer is not None for answer in second) == 2
    everything = asked.ask(questions())
    assert all(answer is not None for answer in everything)
    again = asked.ask(questions(), out_of_time=lambda: True)
    assert all(answer is same for answer, same in zip(again, everything, strict=True))


def test_other_words_and_other_pixels_are_other_questions(folder: Path) -> None:
    asked = Segmenter(folder, device="cpu")
    picture, text = questions()[0]
    brighter = Picture(np.minimum(picture.pixels.astype(int) + 40, 255).astype(np.uint8), picture.width, picture.height)
    answers = asked.ask([(picture, text), (picture, "the cat on the right"), (brighter, text)])
    logits = [answer.logits for answer in answers if answer is not None]
    assert len(logits) == 3
    assert not np.allclose(logits[0], logits[1], atol=1e-3)
    assert not np.allclose(logits[0], logits[2], atol=1e-3)


def test_several_threads_share_one_network_and_get_its_answers(folder: Path) -> None:
    own = Segmenter(folder, device="cpu")
    expected = own.ask(questions())
    shared = [find_segmenter(folder, "cpu") for _ in range(4)]
    assert all(one is shared[0] for one in shared)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda segmenter: segmenter.ask(questions()), shared))
    for each in answers:
        for found, wanted in zip(each, expected, strict=True):
            assert found is not None
            assert wanted is not None
            np.testing.assert_allclose(found.logits, wanted.logits, atol=2e-3, rtol=1e-3)


def test_what_is_remembered_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    monkeypatch.setattr(module, "BATCH", 1)
    asked = Segmenter(folder, device="cpu")
    assert all(answer is not None for answer in asked.ask(questions()))
    again = asked.ask(questions(), out_of_time=lambda: True)
    assert sum(answer is not None for answer in again) == 3  # two from memory, and one batch

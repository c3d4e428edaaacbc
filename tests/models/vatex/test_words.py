"""The text encoder against open_clip, and which tokens are words."""

from __future__ import annotations

from dataclasses import replace

import torch

from reir.models.vatex.words import end_of, tokenize
from tests.models.vatex.tiny_vatex import SMALL, seeded, with_tower

TEXTS = ["a red dog", "", "the cat on the sofa near the lamp"]


def test_words_are_the_tokens_between_the_marks():
    ids, mask = tokenize(TEXTS)
    assert mask.sum(dim=1).tolist() == [3, 1, 8]
    assert mask[0].tolist() == [False, True, True, True] + [False] * 6
    assert end_of(ids).tolist() == [4, 1, 9]
    assert mask[1].tolist()[:3] == [False, True, False], "no word: the end mark stands for one"


def test_long_expressions_are_cut_before_the_end_mark():
    ids, mask = tokenize(["dog " * 40], context_length=16)
    assert ids.shape == (1, 16)
    assert mask.sum() == 14


@torch.no_grad()
def test_outputs_are_those_of_the_tower(tmp_path):
    parts = seeded(with_tower(tmp_path))
    ids, _ = tokenize(TEXTS, context_length=parts.context_length)
    text = parts.network.text
    inner = []
    text.project.register_forward_hook(lambda module, args, output: inner.append(args[0]))
    features = text(ids)
    assert features.words.shape == (3, ids.shape[1], 32)
    rows = torch.arange(3)
    torch.testing.assert_close(features.sentence, features.words[rows, end_of(ids)])
    full = torch.nn.functional.pad(ids, (0, parts.context_length - ids.shape[1]))
    wanted = parts.clip.encode_text(full)
    torch.testing.assert_close(inner[0][rows, end_of(ids)] @ parts.clip.text_projection, wanted, atol=1e-5, rtol=1e-5)


def test_a_frozen_tower_learns_nothing_and_a_copied_one_leaves_it_as_it_is(tmp_path):
    config = with_tower(tmp_path)
    ids, _ = tokenize(TEXTS, context_length=16)
    frozen = seeded(config)
    frozen.network.text(ids).words.sum().backward()
    assert all(p.grad is None for p in frozen.network.text.transformer.parameters())
    learning = seeded(replace(config, train_words=True))
    learning.network.text(ids).words.square().sum().backward()
    own = learning.network.text.transformer.token_embedding.weight
    assert own.grad is not None
    assert own is not learning.clip.token_embedding.weight
    assert not learning.clip.token_embedding.weight.requires_grad


def test_without_a_tower_words_are_learned():
    text = seeded(SMALL).network.text
    assert not text.frozen
    assert all(p.requires_grad for p in text.parameters())

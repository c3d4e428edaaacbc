"""Batches of decoder states: groups of pictures that hold one noun, texts, and what is true of which prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reir.data.expressions import label_pairs
from reir.training.relating.config import GroupConfig
from reir.training.relating.states import States, load_states
from reir.training.relating.views import BACKGROUND, Text, View, draw_texts, make_view
from reir.training.scenes.cache import SceneRecord, load_shards

if TYPE_CHECKING:
    from reir.text import WordTokenizer


@dataclass
class StateBatch:
    """B pictures with K predictions each, P of which are objects; Q texts, the shortest first."""

    hidden: Tensor
    """(B, K, d) float16."""
    boxes_cxcywh: Tensor
    """(B, K, 4) float32, relative to the picture."""
    objectness: Tensor
    """(B, K) logits."""
    aspect: Tensor
    """(B,) width over height of the pictures."""
    token_ids: Tensor
    """(Q, T) int64."""
    token_mask: Tensor
    """(Q, T) bool."""
    text_picture: Tensor
    """(Q,) int64."""
    labels: Tensor
    """(Q, B K) int8: 1 true, -1 false, 0 undefined or left out."""
    matched: Tensor
    """(P,) int64, which of the B K predictions are objects."""
    classes: Tensor
    """(P, 3) int64: noun, colour and size of those."""
    relations: Tensor
    """(E, 4) int64: index into the P, relation, noun and colour of the other."""
    parses: Tensor
    """(Q, 6) int64, as ``parse_target`` gives them."""


class StateBatches(Dataset[StateBatch]):
    """Batch of every step, a function of (seed, step) alone: a run that goes on sees what it would have seen."""

    def __init__(
        self,
        shards: list[Path],
        folder: Path,
        *,
        config: GroupConfig,
        tokenizer: WordTokenizer,
        seed: int,
        steps: int,
    ) -> None:
        self._records: list[SceneRecord] = [record for shard in load_shards(shards) for record in shard.records]
        self._states: tuple[States, States] = load_states(shards, folder)
        self._config, self._tokenizer, self._seed, self._steps = config, tokenizer, seed, steps
        self._views: dict[tuple[int, bool], View] = {}
        holders: dict[str, list[int]] = {}
        for index, record in enumerate(self._records):
            for noun in sorted({thing.noun for thing in record.scene.objects}):
                holders.setdefault(noun, []).append(index)
        self._holders = {noun: held for noun, held in sorted(holders.items()) if len(held) >= config.pictures}
        self._holders = self._holders or dict(sorted(holders.items()))

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> StateBatch:
        rng, config = Random(f"{self._seed} relating {step}"), self._config
        nouns = rng.sample(list(self._holders), min(config.groups, len(self._holders)))
        members: list[tuple[int, bool]] = []
        texts: list[tuple[Text, int]] = []
        for noun in nouns:
            held = self._holders[noun]
            for index in rng.sample(held, min(config.pictures, len(held))):
                key = index, rng.random() < 0.5
                drawn = draw_texts(
                    self._view(key),
                    rng,
                    count=config.texts,
                    phrases=config.phrase_share,
                    corruptions=config.corruption_share,
                    noun=noun,
                    of_noun=config.of_noun,
                )
                texts += [(text, len(members)) for text in drawn]
                members.append(key)
        texts.sort(key=lambda item: len(item[0].token_ids))
        return self._compose(members, texts)

    def _view(self, key: tuple[int, bool]) -> View:
        view = self._views.get(key)
        if view is None:
            index, flip = key
            states = self._states[flip]
            view = self._views[key] = make_view(
                self._records[index],
                flip=flip,
                boxes_cxcywh=states.boxes[index],
                objectness=states.objectness[index],
                queries=self._config.queries,
                tokenizer=self._tokenizer,
            )
        return view

    def _compose(self, members: list[tuple[int, bool]], texts: list[tuple[Text, int]]) -> StateBatch:
        views = [self._views[key] for key in members]
        per_picture = self._config.queries
        # Columns of the objects in the label matrix, by view and object.
        columns: list[dict[int, int]] = []
        owned = np.full(len(views) * per_picture, 0, dtype=np.int8)
        matched: list[int] = []
        classes: list[np.ndarray] = []
        relations: list[np.ndarray] = []
        for b, view in enumerate(views):
            owned[b * per_picture : (b + 1) * per_picture][view.owners >= BACKGROUND] = -1
            place = {int(owner): b * per_picture + i for i, owner in enumerate(view.owners) if owner >= 0}
            columns.append(place)
            order = np.full(len(view.classes), -1)
            for owner, column in place.items():
                order[owner] = len(matched)
                matched.append(column)
                classes.append(view.classes[owner])
            told = view.relations[order[view.relations[:, 0]] >= 0]
            relations.append(np.concatenate([order[told[:, :1]], told[:, 1:]], axis=1))
        labels = np.repeat(owned[None], len(texts), axis=0)
        for q, b, found in label_pairs([text.program for text, _ in texts], [view.facts for view in views]):
            for value, objects in ((1, found.true), (0, found.undefined)):
                for thing in objects:
                    if thing in columns[b]:
                        labels[q, columns[b][thing]] = value
        longest = max((len(text.token_ids) for text, _ in texts), default=1)
        ids = np.zeros((len(texts), longest), dtype=np.int64)
        for q, (text, _) in enumerate(texts):
            ids[q, : len(text.token_ids)] = text.token_ids
        rows = [self._states[flip] for _, flip in members]
        kept = [(index, view.queries) for (index, _), view in zip(members, views, strict=True)]
        return StateBatch(
            hidden=torch.from_numpy(
                np.stack([states.hidden[i, chosen] for states, (i, chosen) in zip(rows, kept, strict=True)])
            ),
            boxes_cxcywh=torch.from_numpy(
                np.stack([states.boxes[i, chosen] for states, (i, chosen) in zip(rows, kept, strict=True)])
            ),
            objectness=torch.from_numpy(
                np.stack([states.objectness[i, chosen] for states, (i, chosen) in zip(rows, kept, strict=True)])
            ),
            aspect=torch.tensor([view.facts.scene.aspect for view in views], dtype=torch.float32),
            token_ids=torch.from_numpy(ids),
            token_mask=torch.from_numpy(ids != 0),
            text_picture=torch.tensor([b for _, b in texts], dtype=torch.int64),
            labels=torch.from_numpy(labels),
            matched=torch.tensor(matched, dtype=torch.int64),
            classes=torch.from_numpy(np.array(classes, dtype=np.int64).reshape(-1, 3)),
            relations=torch.from_numpy(np.concatenate(relations)),
            parses=torch.tensor([text.parse for text, _ in texts], dtype=torch.int64).reshape(-1, 6),
        )

"""The image-level tower of the two-stage baselines: one vector a picture, one an expression.

A small model of open_clip. It sees the batches that CLARE sees, stage 1's and then stage 2's, with the labels taken
together by picture (an expression is true of a picture when it is true of an object in it) and SigLIP's loss over the
whole batch. The paper's towers are pretrained on the web and were not trained on REIRCOCO; this one is trained on the
very expressions of its world, and so a harder baseline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.paper_tables.gallery import Answers, by_shape
from reir.data.expressions import MAX_TOKENS, vocabulary
from reir.data.splits import TRAIN
from reir.losses import clia_loss
from reir.models.clare.pixels import normalise_pixels
from reir.text import WordTokenizer
from reir.training.batch import Batch
from reir.training.config import TrainConfig
from reir.training.optimiser import parameter_groups
from reir.training.scenes.batches import SceneBatches
from reir.training.scenes.cache import build_cache, cache_key
from reir.training.scenes.canvases import CANVASES, reduced_pixels
from reir.training.scenes.validation import ValidationSet
from reir.training.schedule import learning_rate

SIDE: Final = 112
IMAGE: Final[dict[str, Any]] = {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 24, "head_width": 48}
TEXT: Final[dict[str, Any]] = {"width": 128, "heads": 4, "layers": 2}


class Tower(nn.Module):
    """open_clip's ResNet and text transformer over the words of the scenes; pictures are squashed to a square."""

    def __init__(self, words: int) -> None:
        super().__init__()
        from open_clip.model import CLIP

        self._end = words  # the highest id, where open_clip reads the sentence's vector
        text = {"context_length": MAX_TOKENS + 1, "vocab_size": words + 1, **TEXT}
        self.clip = CLIP(embed_dim=128, vision_cfg=IMAGE, text_cfg=text, init_logit_scale=2.3, init_logit_bias=-8.0)

    def encode_images(self, images: Tensor) -> Tensor:
        """Unit vectors (B, 128) of normalised pictures (B, 3, H, W)."""
        square = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return F.normalize(self.clip.encode_image(square).float(), dim=-1)

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (Q, 128) of token ids and mask (Q, T)."""
        length = ids.shape[1] + 1
        tokens = F.pad(ids, (0, 1)).scatter(1, mask.sum(dim=1, keepdim=True), self._end)
        # CLIP.encode_text, without the padding that a causal transformer never looks back from.
        states = self.clip.token_embedding(tokens) + self.clip.positional_embedding[:length]
        states = self.clip.transformer(states, attn_mask=self.clip.attn_mask[:length, :length])
        ends = self.clip.ln_final(states)[torch.arange(len(tokens)), tokens.argmax(dim=-1)]
        return F.normalize((ends @ self.clip.text_projection).float(), dim=-1)


def picture_labels(batch: Batch) -> Tensor:
    """(Q, B) int8: 1 where the text is true of an object of the picture, 0 where that is undefined, else -1."""
    labels = torch.full((len(batch.labels), len(batch.pixels)), -1, dtype=torch.int8)
    index = batch.object_picture.expand(len(batch.labels), -1)
    return labels.scatter_reduce(1, index, batch.labels, reduce="amax")


def train_tower(
    stages: list[TrainConfig], *, out: Path, cache: Path, log: Callable[[str], None] = print
) -> tuple[Tower, WordTokenizer, float]:
    """The tower trained on the batches of ``stages`` one after the other, its tokenizer, and the seconds it took."""
    torch.manual_seed(stages[0].seed)
    tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
    tower = Tower(tokenizer.vocabulary_size).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    total = sum(stage.optim.steps for stage in stages)
    settings = stages[0].optim.model_copy(update={"steps": total})
    optim = torch.optim.AdamW(
        parameter_groups([tower], settings.weight_decay), lr=settings.learning_rate, betas=settings.betas, fused=True
    )
    data = stages[0].data
    assert data is not None  # a run on scenes
    folder = cache / cache_key(data, CANVASES)
    shards = build_cache(folder, first_seed=TRAIN.first, config=data, canvases=CANVASES, workers=0)
    started, step, shown = time.perf_counter(), 0, 0.0
    for stage in stages:
        batches = SceneBatches(
            shards, config=stage.batch, tokenizer=tokenizer, seed=stage.seed, steps=stage.optim.steps
        )
        for i in range(stage.optim.steps):
            batch = batches[i]
            for group in optim.param_groups:
                group["lr"] = learning_rate(settings, step)
            images = reduced_pixels(normalise_pixels(batch.pixels))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.bf16):
                pictures = tower.encode_images(images)
                texts = tower.encode_text(batch.token_ids, batch.token_mask)
            logits = tower.clip.logit_scale.exp() * texts @ pictures.T + tower.clip.logit_bias
            loss = clia_loss(logits, picture_labels(batch))
            optim.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tower.parameters(), settings.clip)
            optim.step()
            step += 1
            shown += float(loss.detach())
            if step % 50 == 0:
                log(f"step {step}/{total} {(time.perf_counter() - started) / 60:.1f} min: loss {shown / 50:.3f}")
                shown = 0.0
        del batches
    out.mkdir(parents=True, exist_ok=True)
    torch.save(tower.state_dict(), out / "tower.pt")
    return tower, tokenizer, time.perf_counter() - started


def ask_tower(tower: Tower, tokenizer: WordTokenizer, gallery: ValidationSet) -> Answers:
    """The rank of each expression's picture; a tower has no boxes, so that every IoU is 0."""
    tower.eval()
    vectors = torch.zeros(len(gallery.letterboxes), 128)
    ids, mask = tokenizer.encode(gallery.expressions)
    with torch.inference_mode():
        for members in by_shape(gallery):
            pixels = torch.from_numpy(np.stack([gallery.letterboxes[i].pixels for i in members]))
            vectors[members] = tower.encode_images(normalise_pixels(pixels))
        texts = [
            tower.encode_text(torch.from_numpy(ids[i : i + 256]), torch.from_numpy(mask[i : i + 256]))
            for i in range(0, len(ids), 256)
        ]
        scores = (torch.cat(texts) @ vectors.T).numpy()
    own = scores[np.arange(len(scores)), gallery.expression_picture]
    rank = (scores >= own[:, None]).sum(axis=1) - 1
    return Answers(rank, rank, np.zeros(len(rank)))

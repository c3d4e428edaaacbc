"""CLARE on emoji scenes: both of the paper's stages at once, detection supervision as auxiliary heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from reir.data.expressions import MAX_TOKENS, PARSE_RELATIONS, RELATIONS, vocabulary
from reir.data.scenes import COLOURS, SIZES
from reir.data.splits import TRAIN
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import save_checkpoint_folder
from reir.models.clare.config import NANO, TINY, ClareConfig
from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.models.clare.prior import NounPrior, load_prior, prior_settings
from reir.text import WordTokenizer
from reir.training.batch import Batch
from reir.training.card import model_card
from reir.training.config import TrainConfig
from reir.training.forward import forward_loss
from reir.training.processes import Processes
from reir.training.scenes.auxiliary import ObjectHeads, ParseHeads
from reir.training.scenes.batches import NOUNS, SceneBatches
from reir.training.scenes.cache import build_cache, cache_key
from reir.training.scenes.canvases import CANVASES, reduced_pixels
from reir.training.scenes.serving import NOTICE, SERVING
from reir.training.scenes.validation import build_validation, validate
from reir.training.shares import Shares, count_batch

SHAPES: dict[str, ClareConfig] = {"nano": NANO, "tiny": TINY}


class SceneTask:
    """A small network with scenes rendered once to ``cache``."""

    towers: tuple[str, ...] = ()

    def __init__(
        self, config: TrainConfig, *, cache: Path, processes: Processes, workers: int, log: Callable[[str], None]
    ) -> None:
        assert config.data is not None
        self._config, self._data, self._processes = config, config.data, processes
        self._tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
        network = config.network.model_dump(include={"routed_experts", "active_experts"}, exclude_none=True)
        tower = config.network.prior_tower
        self._prior = None if tower is None else prior_settings(tower, list(NOUNS))
        nouns = 0 if self._prior is None else len(self._prior["prompts"])
        self._shape = replace(SHAPES[config.model], prior_nouns=nouns, **network)
        self.network: Clare = build_clare(
            self._shape, vocabulary_size=self._tokenizer.vocabulary_size, prior=self._prior
        )
        if tower is not None and self._prior is not None:
            assert isinstance(self.network.visual.prior, NounPrior)
            load_prior(self.network.visual.prior, tower, self._prior)
        counts = {"nouns": len(NOUNS), "colours": len(COLOURS), "sizes": len(SIZES)}
        self.heads = nn.ModuleDict(
            {
                "objects": ObjectHeads(dim=self._shape.width, relations=len(RELATIONS), **counts),
                "parse": ParseHeads(dim=self._shape.text_width, relations=len(PARSE_RELATIONS), **counts),
            }
        )
        self.pictures = config.batch.pictures
        if not processes.leads:
            processes.wait()  # the leader makes the cache
        shards = build_cache(
            cache / cache_key(self._data, CANVASES),
            first_seed=TRAIN.first,
            config=self._data,
            canvases=CANVASES,
            workers=workers,
            progress=lambda done, total: log(f"scenes: shard {done} of {total}"),
        )
        if processes.leads:
            processes.wait()
        numbers = config.optim.steps * config.optim.accumulate * processes.count
        self.batches = SceneBatches(
            shards, config=config.batch, tokenizer=self._tokenizer, seed=config.seed, steps=numbers
        )
        if processes.leads:
            self._validation = build_validation(self._data.validation_scenes, CANVASES)

    def counts(self, batch: Batch) -> Tensor:
        """What the batch's losses are divided by."""
        return count_batch(batch, self._config.clia)

    def loss(self, batch: Batch, *, progress: float, shares: Shares) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch's share of its step's loss, and its parts."""
        config, device = self._config, self._processes.device
        stage = next(stage for stage in config.stages if progress <= stage.until)
        images = normalise_pixels(batch.pixels.to(device, non_blocking=True))
        if stage.reduced:
            images = reduced_pixels(images)
        return forward_loss(
            self.network, self.heads, images, batch, config=config, processes=self._processes, shares=shares
        )

    def validate(self, network: nn.Module) -> dict[str, Any]:
        """Detection and retrieval on scenes of the validation split."""
        assert isinstance(network, Clare)
        return validate(network, self._validation, self._tokenizer)

    def write(self, folder: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
        """The model folder."""
        assert isinstance(network, Clare)
        data = (
            f"{self._data.scenes:,} emoji scenes of the training split (`reir data synth`); "
            "Noto Color Emoji (SIL OFL 1.1)"
        )
        measured = f"{self._data.validation_scenes} scenes of the validation split, never the test split"
        scope = "trained by reir on emoji scenes alone. It knows only that world."
        text = model_card(self._config, scope=scope, data=data, measured=measured, run=card)
        save_checkpoint_folder(
            folder,
            network,
            self._shape,
            self._tokenizer,
            serving=SERVING,
            notice=NOTICE,
            card=text,
            prior=self._prior,
        )

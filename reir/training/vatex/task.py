"""VATEX as the loop trains it, on photographs or on emoji scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from reir.data.splits import TRAIN, VALIDATION
from reir.models.vatex.builder import VatexParts, new_vatex
from reir.models.vatex.checkpoint import save_vatex
from reir.models.vatex.network import Vatex
from reir.training.processes import Processes
from reir.training.scenes.cache import build_cache, cache_key
from reir.training.shares import Shares
from reir.training.untrained import UNTRAINED, untrained_tower
from reir.training.vatex.answers import answer
from reir.training.vatex.backbone import start_backbone
from reir.training.vatex.card import vatex_card
from reir.training.vatex.config import NONE, VatexTraining
from reir.training.vatex.forward import forward_rows
from reir.training.vatex.objective import vatex_losses, weighted
from reir.training.vatex.photos import PhotoRows, photo_queries
from reir.training.vatex.queries import MaskScene
from reir.training.vatex.rows import Composer, MaskBatch
from reir.training.vatex.scenes import SceneRows, cache_settings, scene_canvases, scene_queries


class VatexTask:
    """A network with its data.

    Raises:
        DatasetError: a file is not there or malformed, or has no masks.
        UsageError: a tower or weights that do not fit.
        WeightsMissingError: published weights that are not on this machine.
    """

    towers: tuple[str, ...] = ("visual.",)
    """The visual encoder learns at a tenth of the others' rate (section 7.3)."""

    def __init__(
        self,
        config: VatexTraining,
        *,
        out: Path,
        cache: Path,
        resume: bool,
        processes: Processes,
        workers: int,
        log: Callable[[str], None],
    ) -> None:
        self._config, self._processes = config, processes
        shape = config.network.shape()
        if shape.tower == UNTRAINED:
            if processes.leads:
                untrained_tower(out)
            processes.wait()
            shape = replace(shape, tower=untrained_tower(out))
        self._parts = new_vatex(shape)
        self.network: Vatex = self._parts.network
        self.heads = nn.ModuleDict()
        self._prior = None if self._parts.prior is None else self._parts.prior.to(processes.device)
        if not resume and config.backbone_weights != NONE:
            start_backbone(self.network.visual, shape.backbone, config.backbone_weights)
        self._composer = Composer(shape)
        self.pictures = config.rows.pictures
        numbers = config.optim.steps * config.optim.accumulate * processes.count
        self.batches: Dataset[MaskBatch]
        self._validation: list[MaskScene] = []
        if config.scenes is not None:
            self.batches = self._scenes(cache, numbers, workers, log)
            if processes.leads:
                self._validation = scene_queries(VALIDATION, config.scenes.validation_scenes, side=shape.side)
        else:
            assert config.photos is not None
            self.batches = PhotoRows(
                config.photos,
                composer=self._composer,
                side=shape.side,
                pictures=config.rows.pictures,
                rows=config.rows.expressions,
                seed=config.seed,
                steps=numbers,
            )
            if processes.leads and config.photos.validation is not None:
                self._validation = photo_queries(config.photos, side=shape.side)

    def _scenes(self, cache: Path, numbers: int, workers: int, log: Callable[[str], None]) -> SceneRows:
        config, processes = self._config, self._processes
        assert config.scenes is not None
        canvases = scene_canvases(config.network.side)
        settings = cache_settings(config.scenes)
        if not processes.leads:
            processes.wait()  # the leader makes the cache
        shards = build_cache(
            cache / cache_key(settings, canvases),
            first_seed=TRAIN.first,
            config=settings,
            canvases=canvases,
            workers=workers,
            progress=lambda done, total: log(f"scenes: shard {done} of {total}"),
        )
        if processes.leads:
            processes.wait()
        return SceneRows(
            shards,
            config=config.scenes,
            composer=self._composer,
            pictures=config.rows.pictures,
            rows=config.rows.expressions,
            seed=config.seed,
            steps=numbers,
        )

    def counts(self, batch: MaskBatch) -> Tensor:
        """Rows and triplets of the batch, float64."""
        return torch.tensor([len(batch.picture), len(batch.triplets)], dtype=torch.float64)

    def loss(
        self,
        batch: MaskBatch,
        *,
        progress: float,  # noqa: ARG002
        shares: Shares,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch's share of its step's loss, and its parts."""
        device, bf16 = self._processes.device, self._config.optim.bf16
        output = forward_rows(self.network, self._prior, batch, device=device, bf16=bf16)
        losses = vatex_losses(
            output,
            batch.masks.to(device),
            None if batch.padding is None else batch.padding[batch.picture].to(device),
            batch.triplets.to(device) if self._config.network.mcc else None,
            weights=self._config.loss,
        )
        rows, triplets = (own / max(whole, 1.0) for own, whole in zip(shares.batch, shares.step, strict=True))
        losses = {name: value * (triplets if name == "mcc" else rows) for name, value in losses.items()}
        loss = weighted(losses, self._config.loss)
        return loss, {"loss": loss, **losses}

    def validate(self, network: nn.Module) -> dict[str, Any]:
        """mIoU, oIoU, object-centric IoU and Pr@0.5, 0.7, 0.9 on what is held out; empty where nothing is."""
        if not self._validation:
            return {}
        found = answer(
            network,
            self._prior,
            self._composer,
            self._validation,
            device=self._processes.device,
            bf16=self._config.optim.bf16,
        )
        figures, _ = found.figures()
        return {**figures, "expressions": len(found.unions), "objects": len(found.object_ious)}

    def write(self, folder: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
        """The model folder with its card."""
        assert isinstance(network, Vatex)
        text, notice = vatex_card(self._config, run=card)
        facts = json.loads(json.dumps({"settings": self._config.model_dump(mode="json"), **card}))
        save_vatex(folder, replace_network(self._parts, network), notice=notice, training=facts)
        (folder / "README.md").write_text(text)


def replace_network(parts: VatexParts, network: Vatex) -> VatexParts:
    """The parts with another network of the same shape: the average of the weights, or those of the last step."""
    return VatexParts(parts.config, network, parts.prior, parts.clip, parts.source)

"""CLARE around SigLIP on photographs, in the paper's two stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from reir.data import load_dataset
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import TOKENIZER, save_checkpoint_folder
from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.models.clare.start import load_start_weights
from reir.models.clare.tokenizer import ClareTokenizer, SiglipTokenizer, load_tokenizer
from reir.training.batch import Batch
from reir.training.card import model_card
from reir.training.config import SMOKE_SIZE, TrainConfig
from reir.training.forward import forward_loss
from reir.training.full_size.files import require_files
from reir.training.full_size.serving import canvases, serving
from reir.training.full_size.sizes import SHAPES, architecture_of
from reir.training.full_size.tokenizer import smoke_tokenizer
from reir.training.full_size.validation import validate
from reir.training.photos.batches import PhotoBatches
from reir.training.processes import Processes
from reir.training.shares import Shares, count_batch

SMOKE_NOTICE = "this model was trained for seconds, to see that training runs: what it finds means nothing"


class PhotoTask:
    """A network around SigLIP with photographs.

    Raises:
        DatasetError: a file of annotations is malformed, or has nothing to train on.
        UsageError: files are missing, or weights to start from do not fit.
        WeightsMissingError: published weights or SigLIP's tokenizer are not on this machine.
    """

    towers: tuple[str, ...] = ("visual.backbone.trunk.", "text.tower.")
    """The parts that SigLIP's weights fill."""

    def __init__(
        self, config: TrainConfig, *, out: Path, resume: bool, processes: Processes, log: Callable[[str], None]
    ) -> None:
        assert config.photos is not None
        require_files(config, resume=resume)
        self._config, self._photos, self._processes = config, config.photos, processes
        self._tokenizer = _tokenizer(config, out if resume else config.start and config.start / "model")
        if processes.leads and not (resume and (out / TOKENIZER).is_file()):  # others may be reading it
            out.mkdir(parents=True, exist_ok=True)
            self._tokenizer.save(out / TOKENIZER)
        network = config.network.model_dump(include={"routed_experts", "active_experts"}, exclude_none=True)
        self._shape = replace(SHAPES[config.model], **network)
        self._architecture = architecture_of(config.model)
        self.network: Clare = build_clare(self._shape, architecture=self._architecture)
        self.network.visual.checkpointing = config.network.checkpointing  # type: ignore[assignment]
        self.heads = nn.ModuleDict()
        start = config.pretrained
        if not resume and (start.siglip or start.detector):
            report = load_start_weights(self.network, siglip=start.siglip, detector=start.detector)
            log(report.summary())
        self.pictures = self._photos.pictures
        numbers = config.optim.steps * config.optim.accumulate * processes.count
        self.batches = PhotoBatches(self._photos, tokenizer=self._tokenizer, seed=config.seed, steps=numbers)
        self._validation = None
        if processes.leads and config.validation is not None:
            self._validation = load_dataset(config.validation.file, images=config.validation.images)

    def counts(self, batch: Batch) -> Tensor:
        """What the batch's losses are divided by."""
        return count_batch(batch, self._config.clia)

    def loss(self, batch: Batch, *, progress: float, shares: Shares) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """The batch's share of its step's loss, and its parts."""
        images = normalise_pixels(batch.pixels.to(self._processes.device, non_blocking=True))
        return forward_loss(
            self.network,
            self.heads,
            images,
            batch,
            config=self._config,
            processes=self._processes,
            shares=shares,
        )

    def validate(self, network: nn.Module) -> dict[str, Any]:
        """Retrieval over the validation gallery, if there is one."""
        assert isinstance(network, Clare)
        if self._validation is None or self._config.validation is None:
            return {}
        return validate(
            network,
            self._validation,
            self._tokenizer,
            canvases=canvases(self._photos),
            pictures=self._config.validation.pictures,
            bf16=self._config.optim.bf16,
        )

    def write(self, folder: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
        """The model folder."""
        assert isinstance(network, Clare)
        smoke = self._config.model == SMOKE_SIZE
        files = ", ".join(f"{source.file} ({source.task})" for source in self._photos.sources)
        measured = "nothing" if self._config.validation is None else self._config.validation.file
        scope = "trained by reir" + (" for seconds, to see that training runs." if smoke else ".")
        text = model_card(self._config, scope=scope, data=files, measured=measured, run=card)
        save_checkpoint_folder(
            folder,
            network,
            self._shape,
            self._tokenizer,
            serving=serving(self._photos, max_tokens=self._tokenizer.max_tokens),
            notice=SMOKE_NOTICE if smoke else None,
            card=text,
            architecture=self._architecture,
        )


def _tokenizer(config: TrainConfig, earlier: Path | None) -> ClareTokenizer:
    """The tokenizer of an earlier run where there is one, else SigLIP's own."""
    assert config.photos is not None
    if earlier is not None and (earlier / TOKENIZER).is_file():
        return load_tokenizer(earlier / TOKENIZER)
    if config.model == SMOKE_SIZE:
        return smoke_tokenizer(config.photos)
    return SiglipTokenizer.find(config.pretrained.tokenizer or SHAPES[config.model].vision)

"""Run files: TOML read into frozen records; unknown keys are errors, and all errors are told together."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from reir.errors import UsageError
from reir.models.clare.config import TINY
from reir.training.loop_config import LoopConfig
from reir.training.photos.config import PhotoConfig
from reir.training.referring.config import ReferringConfig
from reir.training.relating.config import RelatingConfig
from reir.training.section import Section
from reir.training.vatex.config import VatexTraining


class DataConfig(Section):
    """Emoji scenes rendered once to disk, then read in canvas-sized batches."""

    scenes: int = Field(gt=0, description="training scenes in the cache")
    expressions: int = Field(default=12, gt=0, description="expressions written for each scene, once")
    phrases: int = Field(default=6, ge=0, description="short noun phrases written for each scene")
    corruptions: int = Field(default=6, ge=0, description="hard negative expressions written for each scene")
    validation_scenes: int = Field(default=300, gt=0)
    render_scale: tuple[float, float] = Field(
        default=(1.0, 1.5), description="rendered at a size drawn from this range times the canvas, then reduced"
    )


class BatchConfig(Section):
    """What one step sees."""

    pictures: int = Field(default=32, gt=0)
    expressions: int = Field(default=8, gt=0, description="texts a picture")
    phrase_share: float = Field(default=0.4, ge=0, le=1, description="share of short noun phrases among the texts")
    corruption_share: float = Field(default=0.25, ge=0, le=1, description="share of hard negatives among the texts")
    mirror: bool = True


class StageConfig(Section):
    """One stretch of the run: until this share of the steps, at this picture size."""

    until: float = Field(gt=0, le=1)
    reduced: bool = Field(default=False, description="pictures at about 0.7 of the side: half the work")


class LossConfig(Section):
    """Weights of the parts of the loss. L1, GIoU, focal and CLIA are the paper's (appendix A.2, equations 4 and 6);
    the others are ours and only shape the features: stage 1's detection supervision as auxiliary heads.
    """

    l1: float = 5.0
    giou: float = 2.0
    objectness: float = 1.0
    proposals: float = 1.0
    clia: float = 1.0
    focal: float = 1.0
    denoising: float = 1.0
    noun: float = 1.0
    colour: float = 0.5
    size: float = 0.25
    relation: float = 1.0
    parse: float = 0.5
    balance: float = 0.01
    mcc: float = Field(default=2.0, description="VATEX's weight; counts where mcc.features names some")


class CliaConfig(Section):
    """Which pairs the alignment compares, and by which loss (paper, tables 6 and 7)."""

    scope: Literal["none", "picture", "minibatch", "batch"] = Field(
        default="batch", description="a text is compared with the objects of: nothing, its picture, its group, all"
    )
    minibatch: int = Field(default=4, gt=0, description="pictures of a group, for the scope minibatch")
    loss: Literal["siglip", "focal"] = "siglip"


class MccConfig(Section):
    """VATEX's Meaning Consistency Constraint in CLARE: expressions of one instance alike, of its neighbours apart."""

    features: Literal["none", "text", "objects"] = Field(
        default="none",
        description="what is compared: nothing, T as it is searched by, or what each T finds in its picture",
    )
    temperature: float = Field(default=1.0, gt=0, description="cosines are divided by it; 1 in the paper")


class NetworkConfig(Section):
    """What a run changes in the network of its size; None leaves it as it is."""

    routed_experts: int | None = Field(default=None, ge=0)
    active_experts: int | None = Field(default=None, ge=0)
    checkpointing: bool = Field(
        default=False, description="activations are made again in the backward pass: less memory, a third more work"
    )
    denoising: int = Field(default=0, ge=0, description="denoising queries a picture (DN-DETR), about so many")
    prior_tower: str | None = Field(
        default=None, description="VATEX's CLIP Prior: ARCH__PRETRAINED of open_clip or a folder; the scenes' nouns"
    )

    @model_validator(mode="after")
    def _fits(self) -> NetworkConfig:
        # Every size has the paper's numbers.
        routed = TINY.routed_experts if self.routed_experts is None else self.routed_experts
        active = TINY.active_experts if self.active_experts is None else self.active_experts
        if active > routed or (routed and not active):
            raise ValueError(f"active_experts must be 1 to routed_experts, or both 0; they are {active} and {routed}")
        return self


class PretrainedConfig(Section):
    """Published weights that a run on photographs begins with; ``start`` is for those of a run here."""

    siglip: str | None = Field(default=None, description="ARCH__PRETRAINED of open_clip, a folder, or a hub repository")
    detector: str | None = Field(
        default=None, description="a folder or hub repository of a Deformable DETR with two stages and box refinement"
    )
    tokenizer: str | None = Field(default=None, description="a folder or hub repository; by default the tower's own")


class ValidationConfig(Section):
    """What a run on photographs is measured on while it trains; never a test split."""

    file: str = Field(description="a file of expressions, from the working folder, or a registered name")
    images: Path | None = Field(default=None, description="folder of the pictures; by default images beside the file")
    pictures: int | None = Field(default=None, gt=0, description="only the first ones")


SCENE_SIZES = ("nano", "tiny")
SMOKE_SIZE = "vit-smoke"


class TrainConfig(LoopConfig):
    """A whole run, on emoji scenes (``data``) or on photographs (``photos``)."""

    model: Literal["nano", "tiny", "vit-smoke", "vit-b", "vit-l"] = Field(
        description="a size of CLARE: nano and tiny for scenes, the others for photographs"
    )
    network: NetworkConfig = NetworkConfig()
    start: Path | None = Field(default=None, description="folder of a finished run whose weights this one starts from")
    pretrained: PretrainedConfig = PretrainedConfig()
    data: DataConfig | None = None
    batch: BatchConfig = BatchConfig()
    stages: tuple[StageConfig, ...] = (StageConfig(until=1.0),)
    photos: PhotoConfig | None = None
    validation: ValidationConfig | None = None
    loss: LossConfig = LossConfig()
    clia: CliaConfig = CliaConfig()
    mcc: MccConfig = MccConfig()

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        if (self.data is None) == (self.photos is None):
            raise ValueError("a run is on emoji scenes (data) or on photographs (photos): name one of the two")
        if (self.model in SCENE_SIZES) != (self.data is not None):
            kind = "emoji scenes (data)" if self.model in SCENE_SIZES else "photographs (photos)"
            raise ValueError(f"model {self.model!r} is trained on {kind}")
        if self.photos is None:
            foreign = {"validation": self.validation is not None, "pretrained": self.pretrained != PretrainedConfig()}
        else:
            foreign = {
                "batch": self.batch != BatchConfig(),
                "stages": len(self.stages) > 1,
                "network.prior_tower": self.network.prior_tower is not None,
            }
        if any(foreign.values()):
            other = "photographs (photos)" if self.photos is None else "emoji scenes (data)"
            raise ValueError(f"{', '.join(key for key in foreign if foreign[key])}: only for runs on {other}")
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)) or ends[-1:] != [1.0]:
            raise ValueError(f"stages: until must rise and end at 1.0, got {ends}")
        if self.start is not None and (self.pretrained.siglip or self.pretrained.detector):
            raise ValueError("start and pretrained both name the first weights: leave one of them out")
        return self

    def smoke(self) -> TrainConfig:
        """The same run with everything small: it ends in seconds and touches every line.

        On photographs it takes scenes of the package as a data set, a small network of the same parts, and the smoke
        run of its start; it needs no file and no weights.
        """
        drops = tuple(range(4, 4 + len(self.optim.drops)))
        warmup = min(self.optim.warmup, 2)
        changes: dict[str, Any] = {
            "optim": self.optim.model_copy(update={"steps": 6, "warmup": warmup, "drops": drops}),
            "log_every": 3,
            "checkpoint_every": 3,
            "validate_every": 6,
        }
        if self.data is not None:
            changes["data"] = self.data.model_copy(update={"scenes": 96, "validation_scenes": 24})
            changes["batch"] = self.batch.model_copy(update={"pictures": 4})
        if self.photos is not None:
            changes["model"] = SMOKE_SIZE
            changes["photos"] = self.photos.smoke()
            changes["validation"] = ValidationConfig(file="demo", pictures=12)
            changes["pretrained"] = PretrainedConfig()
            if self.start is not None:
                changes["start"] = self.start.with_name(f"{self.start.name}-smoke")
        return self.model_copy(update=changes)


AnyConfig = TrainConfig | ReferringConfig | RelatingConfig | VatexTraining
_KINDS: dict[str, type[AnyConfig]] = {"relating": RelatingConfig, "vatex": VatexTraining}


def preset_names() -> list[str]:
    """Names of the run files shipped with the package."""
    folder = resources.files("reir.training") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_config(preset_or_path: str, settings: Sequence[str] = ()) -> AnyConfig:
    """The run file of a preset name or of a path ending in .toml, with some of its ``settings`` replaced.

    A setting is ``KEY=VALUE`` with the key dotted as in errors (``optim.epochs=3``, ``photos.sources.0.images=DIR``); a
    value that is no TOML is text.

    Raises:
        UsageError: no such preset or file, or keys and values that are wrong, all listed.
    """
    if preset_or_path in preset_names():
        text = (resources.files("reir.training") / "presets" / f"{preset_or_path}.toml").read_text()
    elif Path(preset_or_path).is_file():
        text = Path(preset_or_path).read_text()
    else:
        raise UsageError(
            f"no preset or file named {preset_or_path!r}. Presets: {', '.join(preset_names())}; or give a .toml file"
        )
    return parse_config(text, source=preset_or_path, settings=settings)


def parse_config(text: str, *, source: str, settings: Sequence[str] = ()) -> AnyConfig:
    """The run described by a TOML text; ``source`` names it in errors, ``settings`` replace some of it.

    A file of ``kind`` relating trains what comes after CLARE's decoder, one of kind vatex VATEX, one of another kind a
    detector with a tower, and one without a kind CLARE as a whole.
    """
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not TOML: {error}") from error
    for setting in settings:
        _replace(values, setting)
    schema: type[AnyConfig] = TrainConfig
    if "kind" in values:
        schema = _KINDS.get(str(values["kind"]), ReferringConfig)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise UsageError(f"{source} has {len(lines)} wrong settings:\n" + "\n".join(lines)) from error


def _replace(values: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    if not separator or not key:
        raise UsageError(f"a setting is KEY=VALUE, got {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.split(".")
    inner: Any = values
    for table in tables:
        if isinstance(inner, list):
            if not (table.isdecimal() and int(table) < len(inner)):
                raise UsageError(f"{setting!r}: {table} is none of 0 to {len(inner) - 1}, the tables there")
            inner = inner[int(table)]
        else:
            inner = inner.setdefault(table, {})
        if not isinstance(inner, dict | list):
            raise UsageError(f"{setting!r}: {table} is a value, not a table")
    if not isinstance(inner, dict):
        raise UsageError(f"{setting!r}: name one of the tables of {tables[-1]} and its setting, as 0.{last}")
    inner[last] = value

"""Run files that train what comes after the decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from reir.training.section import Section


class SceneConfig(Section):
    """Emoji scenes, rendered once to disk as for the run that this one starts from."""

    scenes: int = Field(gt=0, description="training scenes in the cache")
    expressions: int = Field(default=12, gt=0, description="expressions written for each scene, once")
    phrases: int = Field(default=6, ge=0, description="short noun phrases written for each scene")
    corruptions: int = Field(default=6, ge=0, description="hard negative expressions written for each scene")
    render_scale: tuple[float, float] = (1.0, 1.5)
    validation_scenes: int = Field(default=1000, gt=0)


class GroupConfig(Section):
    """What one step sees: groups of pictures that hold the same noun, so that most negatives are hard ones."""

    groups: int = Field(default=8, gt=0, description="nouns a step")
    pictures: int = Field(default=16, gt=0, description="pictures a noun")
    texts: int = Field(default=4, gt=0, description="texts a picture")
    phrase_share: float = Field(default=0.1, ge=0, le=1, description="share of short noun phrases among the texts")
    corruption_share: float = Field(default=0.25, ge=0, le=1, description="share of hard negatives among the texts")
    of_noun: float = Field(default=4.0, ge=1, description="texts about the group's noun are so many times as likely")
    queries: int = Field(default=8, gt=0, description="predictions kept a picture, its objects first")


class OptimConfig(Section):
    """AdamW with linear warm-up and cosine decay."""

    steps: int = Field(gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    final_share: float = Field(default=0.02, ge=0, description="learning rate at the end, as a share of the peak")
    warmup: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.02, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = Field(default=2.0, gt=0)
    bf16: bool = True


class LossConfig(Section):
    """Weights of the parts of the loss. CLIA and focal are the paper's (equations 4 and 6); the others are ours:
    ``rank`` is the cross-entropy of the right object among all of the batch, the rest are the auxiliary heads.
    """

    clia: float = 1.0
    focal: float = 1.0
    rank: float = 0.5
    noun: float = 0.5
    colour: float = 0.5
    size: float = 0.25
    relation: float = 0.5
    parse: float = 0.5
    balance: float = 0.01


class SizeConfig(Section):
    """Sizes of what is new; the rest is as in the run that this one starts from."""

    embedding: int = Field(default=256, gt=0)
    relation_layers: int = Field(default=3, gt=0)
    relation_width: int = Field(default=256, gt=0)
    relation_heads: int = Field(default=16, gt=0)
    text_layers: int = Field(default=3, gt=0)
    expert_width: int = Field(default=512, gt=0)


class RelatingConfig(Section):
    """A run over the decoder states of a finished network."""

    kind: Literal["relating"]
    name: str
    start: Path = Field(description="folder of a finished run whose weights this one starts from")
    network: SizeConfig = SizeConfig()
    seed: int = 0
    data: SceneConfig
    batch: GroupConfig = GroupConfig()
    optim: OptimConfig
    loss: LossConfig = LossConfig()
    checkpoint_every: int = Field(default=500, gt=0)
    validate_every: int = Field(default=1000, gt=0)

    def smoke(self) -> RelatingConfig:
        """The same run with everything small: it ends in seconds and touches every line."""
        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"scenes": 96, "validation_scenes": 24}),
                "batch": self.batch.model_copy(update={"groups": 2, "pictures": 4}),
                "optim": self.optim.model_copy(update={"steps": 6, "warmup": 2}),
                "start": self.start.with_name(f"{self.start.name}-smoke"),
                "checkpoint_every": 3,
                "validate_every": 6,
            }
        )

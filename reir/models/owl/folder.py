"""A folder of OWL-ViT or OWLv2 weights, read without torch: what is in it, its sizes, its hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from reir.errors import UsageError
from reir.models.hub import digest_of_folder

Family = Literal["owlvit", "owlv2"]
"""``model_type`` of the folder's config.json: OWL-ViT or OWLv2."""

_PROCESSOR = "processor_config.json"
"""Where it holds image settings, transformers takes these, whatever stands in preprocessor_config.json."""

_PIECES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("weights", (("model.safetensors",), ("pytorch_model.bin",))),
    ("image settings", (("preprocessor_config.json",), (_PROCESSOR,))),
    ("tokenizer", (("tokenizer.json",), ("vocab.json", "merges.txt"))),
)
"""What a folder must hold besides config.json, and which files can be it, the preferred ones first."""

_TOKENIZER_EXTRAS = ("tokenizer_config.json", "special_tokens_map.json")
"""What may stand beside vocab.json and name special tokens; tokenizer.json holds them itself."""

# transformers may leave out of config.json what equals its own defaults; these are they, for both families.
_TEXT_DEFAULTS = {
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_hidden_layers": 12,
    "max_position_embeddings": 16,
    "layer_norm_eps": 1e-5,
    "hidden_act": "quick_gelu",
}
_IMAGE_SIDE_DEFAULT = 768
_PROJECTION_DEFAULT = 512


@dataclass(frozen=True, slots=True)
class TextShape:
    """Sizes of the text tower: width, attention heads, layers, most tokens, epsilon of its layer norms."""

    width: int
    heads: int
    layers: int
    max_tokens: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class OwlFolder:
    """A complete folder as transformers' ``save_pretrained`` writes it, or the hub keeps it.

    ``weights``, ``image_settings`` and ``tokenizer`` name the files that are used; ``dimension`` E is that of the class
    embeddings and of the text's; ``image_side`` is the side of the network's square input in pixels.
    """

    path: Path
    family: Family
    weights: str
    image_settings: str
    tokenizer: tuple[str, ...]
    dimension: int
    image_side: int
    text: TextShape

    @classmethod
    def open(cls, path: Path) -> OwlFolder:
        """The folder, looked through but not loaded.

        Raises:
            UsageError: something is missing, or it is another kind of model; the message names the file.
        """
        config = _read_config(path)
        family = config.get("model_type")
        if family not in ("owlvit", "owlv2"):
            raise UsageError(f"{path / 'config.json'} is of a model of type {family!r}, not of OWL-ViT or OWLv2")
        found = {piece: _first_whole(path, piece, choices) for piece, choices in _PIECES}
        if _holds_image_settings(path / _PROCESSOR):
            found["image settings"] = (_PROCESSOR,)
        tokenizer = found["tokenizer"]
        if len(tokenizer) > 1:
            tokenizer += tuple(name for name in _TOKENIZER_EXTRAS if (path / name).is_file())
        text = {**_TEXT_DEFAULTS, **(config.get("text_config") or {})}
        if text["hidden_act"] != "quick_gelu":
            raise UsageError(f"{path / 'config.json'} has hidden_act {text['hidden_act']!r}; only quick_gelu is known")
        vision = config.get("vision_config") or {}
        return cls(
            path=path,
            family=cast(Family, family),
            weights=found["weights"][0],
            image_settings=found["image settings"][0],
            tokenizer=tokenizer,
            dimension=int(config.get("projection_dim", _PROJECTION_DEFAULT)),
            image_side=int(vision.get("image_size", _IMAGE_SIDE_DEFAULT)),
            text=TextShape(
                width=int(text["hidden_size"]),
                heads=int(text["num_attention_heads"]),
                layers=int(text["num_hidden_layers"]),
                max_tokens=int(text["max_position_embeddings"]),
                epsilon=float(text["layer_norm_eps"]),
            ),
        )

    @property
    def digest(self) -> str:
        """One hash over all the files that decide what vectors come out; remembered, so that it is quick."""
        return digest_of_folder(self.path, ["config.json", self.weights, self.image_settings, *self.tokenizer])


def _read_config(path: Path) -> Mapping[str, Any]:
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder. Give one that save_pretrained wrote")
    file = path / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        raise UsageError(
            f"{path} holds no OWL model: it has no config.json. Give one that save_pretrained wrote"
        ) from None
    except ValueError as error:
        raise UsageError(f"{file} is not JSON ({error}). Copy the folder again") from None
    if not isinstance(config, dict):
        raise UsageError(f"{file} is not a JSON object. Copy the folder again")
    return config


def _holds_image_settings(file: Path) -> bool:
    try:
        return "image_processor" in json.loads(file.read_text())
    except (OSError, ValueError, TypeError):
        return False


def _first_whole(path: Path, piece: str, choices: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    for names in choices:
        if all((path / name).is_file() for name in names):
            return names
    wanted = ", or ".join(" and ".join(names) for names in choices)
    raise UsageError(
        f"{path} is not complete: it has no {piece} ({wanted}). "
        "Write it with save_pretrained of both the model and its processor"
    )

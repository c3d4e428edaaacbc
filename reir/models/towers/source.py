"""Where a tower's configuration, weights and vocabulary are: found by its name, without torch and without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reir.errors import UsageError, WeightsMissingError
from reir.models.hub import digest_of_folder, find_folder, find_published_file, published_file, sha256_of
from reir.models.towers.openclip_registry import architecture_config, architectures, near, pretrained_config
from reir.models.towers.preprocess import RESIZE_MODES, Preprocess

CONFIG_FILE = "open_clip_config.json"
CHECKPOINTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""Names under which a folder's weights are looked for, in open_clip's own order."""

TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "*.model",
    "vocab.*",
    "merges.txt",
    "added_tokens.json",
)


@dataclass(frozen=True)
class TowerSource:
    """The files of a tower.

    ``architecture`` is open_clip's name, or None for a folder with its own configuration (then ``folder`` is set).
    ``weights`` is one file; ``vocabulary`` the folder of a Hugging Face tokenizer, None for CLIP's own, which ships
    with open_clip. ``quick_gelu``: the weights were trained with the activation of OpenAI's CLIP, whatever the
    architecture's configuration says.
    """

    name: str
    architecture: str | None
    folder: Path | None
    model_config: Mapping[str, Any]
    weights: Path
    vocabulary: Path | None
    language_model: Path | None
    preprocess: Preprocess
    quick_gelu: bool = False

    @classmethod
    def find(cls, name: str, *, resize_mode: str | None = "squash") -> TowerSource:
        """The files of ``ARCH__PRETRAINED``, ``ARCH__/PATH/FILE`` or a folder in open_clip's layout.

        Pictures are resized by ``resize_mode``, without one as the weights' own configuration says.

        Raises:
            UsageError: an unknown architecture or weights name, or a folder or file that is none.
            WeightsMissingError: published weights that are not on this machine.
        """
        if resize_mode not in (None, *RESIZE_MODES):
            raise UsageError(f"crops are resized by one of {', '.join(RESIZE_MODES)}; there is no {resize_mode!r}")
        architecture, separator, pretrained = name.partition("__")
        if separator and architecture in architectures():
            return _of_architecture(architecture, pretrained, resize_mode)
        folder = Path(name).expanduser()
        if (folder / CONFIG_FILE).is_file():
            return _of_folder(folder.resolve(), resize_mode)
        if folder.is_dir():
            raise UsageError(f"{folder} is not a tower of open_clip: it has no {CONFIG_FILE}")
        if not separator or "/" in architecture:
            raise UsageError(
                f"no tower {name!r}: name an architecture of open_clip and its weights, as ViT-B-32__openai, or a "
                f"folder with {CONFIG_FILE}.{near(architecture, architectures())}"
            )
        architecture_config(architecture)
        raise AssertionError(architecture)

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return int(self.model_config["embed_dim"])

    @property
    def context_length(self) -> int:
        """Tokens that the text tower reads, those that mark start and end among them."""
        return int(self.model_config["text_cfg"].get("context_length", 77))

    def digest(self) -> str:
        """One SHA-256 over weights, configuration, vocabulary and preprocessing."""
        parts: dict[str, Any] = {
            "model": {**self.model_config, "quick_gelu": self.quick_gelu or self.model_config.get("quick_gelu", False)},
            "preprocess": asdict(self.preprocess),
            "weights": sha256_of(self.weights),
            "vocabulary": digest_of_folder(self.vocabulary, TOKENIZER_FILES) if self.vocabulary else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _of_architecture(architecture: str, pretrained: str, resize_mode: str | None) -> TowerSource:
    config = architecture_config(architecture)
    record: dict[str, Any] = {}
    path = Path(pretrained).expanduser()
    if "/" in pretrained or path.suffix:
        if not path.is_file():
            raise UsageError(f"no file of weights {path}")
        pretrained = str(path.resolve())
        weights = path.resolve()
    else:
        record = pretrained_config(architecture, pretrained)
        weights = _published_weights(f"{architecture}__{pretrained}", record)
    text = config["text_cfg"]
    return TowerSource(
        name=f"{architecture}__{pretrained}",
        architecture=architecture,
        folder=None,
        model_config=config,
        weights=weights,
        vocabulary=_hub_folder(text.get("hf_tokenizer_name")),
        language_model=_hub_folder(text.get("hf_model_name")),
        preprocess=Preprocess.of_config(record, image_size=_image_size(config), resize_mode=resize_mode),
        quick_gelu=bool(record.get("quick_gelu", False)),
    )


def _of_folder(folder: Path, resize_mode: str | None) -> TowerSource:
    try:
        whole = json.loads((folder / CONFIG_FILE).read_text())
        config = whole["model_cfg"]
        text = config["text_cfg"]
        image_size = _image_size(config)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / CONFIG_FILE} is not a configuration of open_clip: {error!r}") from error
    checkpoint = _checkpoint_in(folder)
    if checkpoint is None:
        raise UsageError(f"{folder} holds no weights: it needs {CHECKPOINTS[0]}")
    return TowerSource(
        name=str(folder),
        architecture=None,
        folder=folder,
        model_config=config,
        weights=checkpoint,
        # As in open_clip: a folder brings its tokenizer along.
        vocabulary=folder if text.get("hf_tokenizer_name") else None,
        language_model=_hub_folder(text.get("hf_model_name")),
        preprocess=Preprocess.of_config(
            whole.get("preprocess_cfg") or {}, image_size=image_size, resize_mode=resize_mode
        ),
    )


def _published_weights(name: str, record: Mapping[str, Any]) -> Path:
    """The file of published weights on this machine.

    Raises:
        WeightsMissingError: it is not here, or not what its published hash says.
    """
    if record.get("hf_hub"):
        repo, _, file = str(record["hf_hub"]).rpartition("/")
        folder = find_folder(repo)
        # Where both kinds are there, as open_clip does: the kind that cannot hold code.
        names = [file.rpartition(".")[0] + ".safetensors", file] if file else CHECKPOINTS
        for candidate in names:
            if (folder / candidate).is_file():
                return folder / candidate
        raise WeightsMissingError(
            name, f"{folder} holds no {names[0]}", f"Fetch them with: reir models download {repo}"
        )
    return find_published_file(published_file(str(record["url"])), what=name)


def _checkpoint_in(folder: Path) -> Path | None:
    return next((folder / name for name in CHECKPOINTS if (folder / name).is_file()), None)


def _hub_folder(repo: str | None) -> Path | None:
    """The local folder of a hub repository that a configuration names, or None where it names none."""
    if not repo:
        return None
    return find_folder(repo)


def _image_size(config: Mapping[str, Any]) -> Any:
    return config["vision_cfg"].get("image_size", 224)

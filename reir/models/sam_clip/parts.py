"""Which SAM, tower and captioner a model's name means: folders and hashes, found without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from reir.errors import UsageError
from reir.models.hub import digest_of_folder, find_folder, matching_files
from reir.models.sam_clip.settings import Settings, read_settings
from reir.models.specification import ModelSpec, changed_options
from reir.models.towers import ClipTower
from reir.text import find_reader

DEFAULT_TOWER: Final = "ViT-B-32__openai"
"""One of the two of TAS (section 4.2)."""
DEFAULT_SAM: Final = "facebook/sam-vit-base"
"""*Differs from the paper*: it has ViT-H, which costs seven times as much a picture; sam=facebook/sam-vit-huge."""
SAM_TYPES: Final = ("sam",)
CAPTIONER_TYPES: Final = ("blip", "blip-2", "git")
FORMAT: Final = 1
"""Of the way from weights and settings to vectors: counted up when it changes them."""

_CONFIGURATION: Final = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer*.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
)
_SAFETENSORS: Final = ("*.safetensors", "*.safetensors.index.json")
_PICKLES: Final = ("pytorch_model*.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Network:
    """A folder of transformers with a network: ``name`` is the option that stands for it, ``kind`` its model type."""

    name: str
    folder: Path
    kind: str
    config: dict[str, Any]

    @classmethod
    def find(cls, name: str, kinds: tuple[str, ...], *, option: str) -> Network:
        """The network of a local folder or a hub repository.

        Raises:
            UsageError: no such folder, or a network of another kind.
            WeightsMissingError: the repository's files are not on this machine.
        """
        folder = Path(name).expanduser()
        if folder.is_dir():
            folder = folder.resolve()
            name = str(folder)
        elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
            folder = find_folder(name)
        else:
            raise UsageError(f"{option}={name}: there is no such folder, and it names no repository as OWNER/NAME")
        path = folder / "config.json"
        try:
            config = json.loads(path.read_text())
            kind = str(config["model_type"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{option}={name}: {path} is no configuration of transformers ({error!r})") from error
        if kind not in kinds:
            raise UsageError(f"{option}={name} is a network of the kind {kind!r}; there are: {', '.join(kinds)}")
        return cls(name, folder, kind, config)

    def digest(self) -> str:
        """One SHA-256 over its configuration and the weights that are read."""
        # As transformers: the weights that cannot hold code, where both kinds are there.
        weights = _SAFETENSORS if matching_files(self.folder, ("*.safetensors",)) else _PICKLES
        return digest_of_folder(self.folder, (*_CONFIGURATION, *weights))


@dataclass(frozen=True)
class Parts:
    """What a model is made of. ``name`` is the canonical one: equal models have equal names.

    ``reader`` is who reads noun phrases out of captions, None without a captioner.
    """

    name: str
    settings: Settings
    sam: Network
    tower: ClipTower
    captioner: Network | None
    reader: str | None

    @property
    def sam_side(self) -> int:
        """Longer side in pixels of what SAM sees."""
        return int(self.sam.config.get("vision_config", {}).get("image_size", 1024))

    @cached_property
    def fingerprint(self) -> str:
        """One SHA-256 over all weights, configurations and settings."""
        facts = {
            "format": FORMAT,
            "settings": self.settings.to_json(),
            "sam": self.sam.digest(),
            "tower": self.tower.digest,
            "captioner": self.captioner.digest() if self.captioner else None,
            "reader": [self.reader, find_reader(self.reader).version] if self.reader else None,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def find_parts(spec: ModelSpec, *, device: str) -> Parts:
    """The parts of ``sam-clip``, with a tower or a folder of parts as argument.

    A folder of parts has the subfolders ``sam``, ``tower`` and, for captions, ``captioner``.

    Raises:
        UsageError: an unknown option or tower, a folder that is not a part's, or a reader without a captioner.
        WeightsMissingError: public weights that are not on this machine; the message says how to get them.
        MissingPackageError: spaCy is asked for and not installed.
    """
    settings = read_settings(spec)
    options = changed_options(settings.to_json(), Settings().to_json())
    argument = spec.argument or DEFAULT_TOWER
    folder = Path(argument).expanduser()
    tower_name, sam_name, captioner_name = argument, DEFAULT_SAM, "none"
    if (folder / "sam").is_dir() and (folder / "tower").is_dir():
        folder = folder.resolve()
        tower_name, sam_name = str(folder / "tower"), str(folder / "sam")
        if (folder / "captioner").is_dir():
            captioner_name = str(folder / "captioner")
        argument = str(folder)
    tower = ClipTower.load(tower_name, device=device, resize_mode=settings.resize)
    sam = Network.find(spec.options.get("sam", sam_name), SAM_TYPES, option="sam")
    if sam.name != sam_name:
        options["sam"] = sam.name
    captioner = None
    wanted = spec.options.get("captioner", captioner_name)
    if wanted != "none":
        captioner = Network.find(wanted, CAPTIONER_TYPES, option="captioner")
    if wanted != captioner_name:
        options["captioner"] = captioner.name if captioner else "none"
    reader = None
    if captioner:
        # In the name: else an index made by the one could not be opened where the other is installed.
        reader = options["reader"] = find_reader(spec.options.get("reader", "auto")).name
    elif "reader" in spec.options:
        raise UsageError(f"{spec.name}: a reader reads captions, and there is no captioner; leave reader= out")
    name = str(ModelSpec(spec.name, tower.name if tower_name == argument else argument, options))
    return Parts(name, settings, sam, tower, captioner, reader)

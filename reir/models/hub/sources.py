"""Where published weights come from, and what is known of them beforehand: revision, hashes, size, licence.

A revision or hash stands here only where it was seen in a public source, which is named beside it; none was made up or
taken from memory. Whatever is not pinned here is recorded at the first download (``reir.models.hub.records``) and later
loads are held to that record: trust on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reir.models.hub.cache import clip_cache, torch_cache


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face hub.

    ``revision`` is the pinned commit, None where none is known; ``files`` the names or patterns that are needed, None
    for the configuration, the tokenizer and one kind of weights; ``sha256`` the hashes that are known beforehand;
    ``model`` the registered model that is all in this repository.
    """

    repo: str
    revision: str | None = None
    files: tuple[str, ...] | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    megabytes: float | None = None
    licence: str | None = None
    model: str | None = None

    @property
    def name(self) -> str:
        """What ``reir models download`` takes: the model's name, else that of the repository."""
        return self.model or self.repo


@dataclass(frozen=True, slots=True)
class FileSource:
    """One file of weights at a plain address, kept where the library that publishes it keeps it.

    ``sha256`` is the start of its hash, as the publisher has it in the name of the file or in the address; empty where
    it says nothing.
    """

    url: str
    library: str
    """``torchvision`` or ``clip``: whose cache folder holds it."""
    sha256: str
    megabytes: float | None = None
    licence: str | None = None

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def path(self) -> Path:
        """Where it is kept on this machine."""
        return (torch_cache() if self.library == "torchvision" else clip_cache()) / self.name


Source = HubSource | FileSource

_CLIP_WORDS = {
    # The tokenizer of CLIP; the same two files in every repository below that states their hashes.
    "merges.txt": "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
    "vocab.json": "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
}

_KNOWN = (
    HubSource(
        repo="google/owlv2-base-patch16-ensemble",
        # github.com/SubramDas/room-proof scripts/fetch_owlv2_model.py pins this commit and the hash of the weights;
        # the small files' hashes stand in a public provenance table of the same commit.
        revision="cfd3195ba4ea9592eec887ded089f4c08eff231d",
        files=(
            "added_tokens.json",
            "config.json",
            "merges.txt",
            "model.safetensors",
            "preprocessor_config.json",
            "special_tokens_map.json",
            "tokenizer_config.json",
            "vocab.json",
        ),
        sha256={
            **_CLIP_WORDS,
            "added_tokens.json": "e5dc0da35d20111e8ff3fdfc03682beca23d5f94ed74331bce81786b2636a24f",
            "config.json": "ba9df8c25a4b8461887dd0a93d9252c9cd84697fe8d49a9d8794ce409af9acb2",
            "model.safetensors": "e1e130b9e404cf91a75ad45644c1da9d7fa5284085eecc864266a6923efb99e7",
            "preprocessor_config.json": "cf3e396635b797ee1a464e1b2836e98748f8edac19e89aaa2c93b55ac15b0064",
            "special_tokens_map.json": "d6e2b9cf664efbad2d22998b8d3da986abcbeed3e0825ad33605c9401f9cf73e",
            "tokenizer_config.json": "b55cda6198e152ded427c8a9b3faf1cccf27a7fa080697a62f6ff143f511f44f",
        },
        megabytes=621.5,
        licence="Apache-2.0",
        model="owlv2-base",
    ),
    HubSource(
        repo="google/owlv2-large-patch14-ensemble",
        # Pinned with this hash and 1,750,520,144 bytes by a public evaluation of OWLv2 as a teacher
        # (MODEL_REVISION, MODEL_SAFETENSORS_SHA256), and the commit alone by several more.
        revision="95e26936e865f87db1742128404b3c035d47d89d",
        sha256={"model.safetensors": "d1c2261503c55aaf400667a843a54a5167e3c696334674c4093d6d10f7f40075"},
        megabytes=1752.1,
        licence="Apache-2.0",
        model="owlv2-large",
    ),
    HubSource(
        repo="google/owlvit-base-patch32",
        # The commit that ten and more public projects name as revision= or in paths of the hub's cache.
        revision="cbc355fb364588351c5d51c7f74465e8e7ec6f72",
        megabytes=614.7,
        licence="Apache-2.0",
        model="owlvit-base-patch32",
    ),
    HubSource(repo="google/owlvit-base-patch16", megabytes=612.9, licence="Apache-2.0", model="owlvit-base-patch16"),
    HubSource(repo="google/owlvit-large-patch14", megabytes=1737.3, licence="Apache-2.0", model="owlvit-large-patch14"),
    HubSource(
        repo="timm/vit_base_patch32_clip_224.openai",
        # Ten and more public projects pin this commit and hash of OpenAI's ViT-B/32 in open_clip's format.
        revision="a6f597a30f7b82c51704746581f9a4e41421e878",
        files=("open_clip_config.json", "open_clip_model.safetensors"),
        sha256={"open_clip_model.safetensors": "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31"},
        megabytes=605.1,
        licence="MIT",
    ),
    HubSource(
        repo="facebook/sam-vit-base",
        # github.com/pas3081653459-ctrl/ai_paper deploy/download_models.sh, and ten more.
        revision="70c1a07f894ebb5b307fd9eaaee97b9dfc16068f",
        files=("config.json", "preprocessor_config.json", "model.safetensors"),
        megabytes=375,
        licence="Apache-2.0",
    ),
    HubSource(
        repo="Salesforce/blip-image-captioning-base",
        # The commit stands in ten and more public projects, the hash of its only PyTorch weights in four.
        revision="82a37760796d32b1411fe092ab5d4e227313294b",
        files=(
            "config.json",
            "preprocessor_config.json",
            "pytorch_model.bin",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
        sha256={"pytorch_model.bin": "d6638651a5526cc2ede56f2b5104d6851b0755816d220e5e046870430180c767"},
        megabytes=990.8,
        licence="BSD-3-Clause",
    ),
    HubSource(
        repo="Salesforce/blip2-opt-2.7b",
        # github.com/mrveiss/AutoBot-AI autobot_shared/pinned_model_registry.py.
        revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
        sha256={
            "model-00001-of-00002.safetensors": "b81228c9ac1b3dee1731ee71d51fe3b2c34f915019c44c25a793b51300ae24fc",
            "model-00002-of-00002.safetensors": "536bd73b8f1de7d94f503b23fea2eaa4f7f3ea5f74f8f874fcb21d6df1555a19",
        },
        megabytes=14_981,
        licence="MIT",
    ),
)
HUB_SOURCES: Mapping[str, HubSource] = {source.repo: source for source in _KNOWN}


TOKENIZER_REPOSITORIES = ("bert-base-uncased", "roberta-base", "xlm-roberta-base", "xlm-roberta-large")
"""Repositories without an owner, which open_clip's towers name for their tokenizer."""


def tokenizer_source(repo: str) -> HubSource:
    """A repository of which only configuration and tokenizer are needed, not its weights."""
    return HubSource(repo, files=("*.json", "*.txt", "*.model"))


def hub_source(repo: str) -> HubSource:
    """What is known of a hub repository; one that is not known has neither a pinned revision nor hashes."""
    return HUB_SOURCES.get(repo) or HubSource(repo)


def model_source(name: str) -> HubSource | None:
    """The repository that is all of a registered model; None for a model of several parts or without a download."""
    return next((source for source in HUB_SOURCES.values() if source.model == name), None)


def published_file(url: str) -> FileSource:
    """The file of weights at an address of open_clip's registry, with what the address says of its hash.

    OpenAI writes the whole hash into the path, open_clip its start into the name of the file, others nothing.
    """
    digest = ""
    if "openaipublic" in url:
        digest = url.split("/")[-2]
    elif "mlfoundations" in url:
        digest = url.rpartition("/")[2].rpartition(".")[0].rpartition("-")[2]
    return FileSource(url, "clip", digest)

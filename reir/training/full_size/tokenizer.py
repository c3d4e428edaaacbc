"""The tokenizer of a run on photographs: SigLIP's own, that of the run it starts from, or a small one like it."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import UnigramTrainer

from reir.data.annotations import read_annotations
from reir.models.clare.tokenizer import SiglipTokenizer, canonicalise
from reir.training.full_size.sizes import SMOKE_TOKENS
from reir.training.photos.config import PhotoConfig


def smoke_tokenizer(config: PhotoConfig) -> SiglipTokenizer:
    """A tokenizer of SigLIP's kind with a small vocabulary, made from the expressions and names of the sources."""
    words: dict[str, None] = {}
    for file in sorted({source.file for source in config.sources}):
        annotations = read_annotations(file)
        texts: list[str] = list(annotations.category_names)
        for row in range(min(len(annotations), 60)):
            texts += [text for texts_of_one in annotations[row].expressions for text in texts_of_one]
        words |= dict.fromkeys(word for text in texts for word in canonicalise(text).split())
    return SiglipTokenizer(_unigram(words))


def _unigram(words: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(Unigram())
    tokenizer.normalizer = NFKC()
    tokenizer.pre_tokenizer = Metaspace()
    trainer = UnigramTrainer(
        vocab_size=SMOKE_TOKENS - 1,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(words), trainer)
    return tokenizer

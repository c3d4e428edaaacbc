"""A small tokenizer made as SigLIP's is: a Unigram whose token 1 ends a text and fills up."""

from __future__ import annotations

from pathlib import Path

WORDS = (
    "the a red green blue brown dog cat sofa lamp car tree man woman cushion fireplace rug in on near left of right "
    "with and under beside that is to big small lies table window"
)


def save_unigram(folder: Path, *, vocabulary: int = 120) -> Path:
    """The folder of a tokenizer as published SigLIP folders have it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(WORDS.split() * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return folder

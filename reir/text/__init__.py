"""Text as models take it: tokenizers that need neither torch nor open_clip."""

from reir.text.tokenizer import WordTokenizer

__all__ = ["WordTokenizer"]

"""Text as models take it: tokenizers that need neither torch nor open_clip, noun phrases, WordNet."""

from reir.text.phrases import Reader, find_reader, head_noun, noun_phrases, reader_name, same_thing, subject_of
from reir.text.subject import Subject
from reir.text.tokenizer import WordTokenizer
from reir.text.wordnet import WordNet, find_wordnet

__all__ = [
    "Reader",
    "Subject",
    "WordNet",
    "WordTokenizer",
    "find_reader",
    "find_wordnet",
    "head_noun",
    "noun_phrases",
    "reader_name",
    "same_thing",
    "subject_of",
]

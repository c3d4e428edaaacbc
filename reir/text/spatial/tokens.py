"""An expression's tokens, at which patterns are tried."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reir.text.spatial.words import place_words


class Tokens:
    """Tokens as ``place_tokens`` gives them."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.known = place_words()
        self.tails = [" ".join(tokens[i:]) for i in range(len(tokens) + 1)]

    def token(self, i: int) -> str:
        """The token at place ``i``; empty beyond the ends."""
        return self.tokens[i] if 0 <= i < len(self.tokens) else ""

    def end(self, pattern: re.Pattern[str], i: int) -> int:
        """Where the pattern's words from token ``i`` on end; ``i`` where it does not match."""
        found = pattern.match(self.tails[i]) if i < len(self.tokens) else None
        return i + len(found[0].split()) if found else i

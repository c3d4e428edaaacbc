"""Tokens and money: estimated before, counted after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

_LETTERS_A_TOKEN = 4.0
_TOKENS_A_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a million tokens, in whatever currency the user counts; None where they were not given."""

    prompt: float | None = None
    completion: float | None = None

    @property
    def known(self) -> bool:
        """Whether a cost can be told."""
        return self.prompt is not None and self.completion is not None

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """What so many tokens cost; None without prices."""
        if self.prompt is None or self.completion is None:
            return None
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


def text_tokens(text: str) -> int:
    """About how many tokens a text is: four letters each, which is near for English and every usual tokenizer."""
    return ceil(len(text) / _LETTERS_A_TOKEN)


def picture_tokens(width: int, height: int) -> int:
    """About how many tokens a picture is: 85 and 170 for each tile of 512 pixels, the rule OpenAI gives for GPT-4o.

    Other models count otherwise, from a few hundred to two thousand; say what yours takes with ``--picture-tokens``.
    """
    return 85 + 170 * ceil(width / 512) * ceil(height / 512)


def message_tokens(messages: Sequence[dict[str, Any]], tokens_a_picture: int) -> int:
    """About how many tokens the messages of a chat are."""
    total = 0
    for message in messages:
        total += _TOKENS_A_MESSAGE
        content = message["content"]
        if isinstance(content, str):
            total += text_tokens(content)
            continue
        for part in content:
            total += text_tokens(part["text"]) if part["type"] == "text" else tokens_a_picture
    return total


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take. ``answered`` requests are in the journal already and cost nothing."""

    pictures: int
    instances: int
    requests: int
    answered: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None

    def to_json(self) -> dict[str, Any]:
        """The estimate as it is printed."""
        return {
            "pictures": self.pictures,
            "instances": self.instances,
            "requests": self.requests,
            "answered_before": self.answered,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": None if self.cost is None else round(self.cost, 4),
        }

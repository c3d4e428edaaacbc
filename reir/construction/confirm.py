"""Asks a model that sees whether an expression really describes the rival that the index has found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from reir.construction.answers import ConfirmedRecord, Reading, answer_schema, read_records
from reir.construction.asking import Asked, Unit
from reir.construction.endpoint import EndpointSettings
from reir.construction.pixels import cut_part, load_pixels, picture_part, text_part
from reir.construction.prompts import prompt
from reir.construction.rivals import Flag, Rival
from reir.construction.tokens import picture_tokens
from reir.imaging import Mark


@dataclass(frozen=True, slots=True)
class _Case:
    """One expression and one rival; ``flag`` and ``rival`` are places in the flags and among the flag's rivals."""

    flag: int
    rival: int


class ConfirmStep:
    """The questions about rivals, those about one box together; see `asking.Step`.

    An item is the place of a pair in ``cases``. Only flags of kind ``rival`` are asked about: a twin is certain.
    """

    kind = "confirm"

    def __init__(
        self,
        flags: Sequence[Flag],
        images_root: Path,
        endpoint: EndpointSettings,
        *,
        picture_side: int = 768,
        tokens_a_picture: int | None = None,
    ) -> None:
        self._flags, self._root, self._endpoint = flags, images_root, endpoint
        self._side, self._tokens = picture_side, tokens_a_picture
        self.cases = [
            _Case(place, number)
            for place, flag in enumerate(flags)
            if flag.kind == "rival"
            for number in range(len(flag.rivals))
        ]
        boxes: dict[tuple[str, tuple[float, ...]], list[int]] = {}
        for item, case in enumerate(self.cases):
            rival = self._rival(case)
            boxes.setdefault((rival.file_name, rival.box), []).append(item)
        self.units: Sequence[Unit] = tuple(
            Unit(f"{file_name}#{','.join(f'{side:.0f}' for side in box)}", tuple(items))
            for (file_name, box), items in boxes.items()
        )

    def _phrase(self, item: int) -> str:
        return self._flags[self.cases[item].flag].expression

    def _rival(self, case: _Case) -> Rival:
        return self._flags[case.flag].rivals[case.rival]

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Model, prompt, and what is asked about: items are places in a list, which must be the same list."""
        asked = [
            [self._flags[case.flag].expression, self._rival(case).file_name, list(self._rival(case).box)]
            for case in self.cases
        ]
        return {
            "model": self._endpoint.model,
            "temperature": self._endpoint.temperature,
            "prompt": hashlib.sha256(prompt("confirm").encode()).hexdigest()[:16],
            "rivals": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
            "picture_side": self._side,
        }

    @property
    def tokens_an_item(self) -> int:
        """A verdict and a few words."""
        return 35

    @property
    def tokens_a_picture(self) -> int:
        """As given, or by the rule of `tokens.picture_tokens` for a picture of 4:3."""
        return self._tokens or picture_tokens(self._side, self._side * 3 // 4)

    def messages(self, unit: Unit) -> list[dict[str, Any]]:
        """Instructions, the photo with the rival framed, a closer cut, and the phrases.

        Raises:
            ImageUnreadableError: the picture cannot be decoded.
        """
        rival = self._rival(self.cases[unit.items[0]])
        path = self._root / Path(rival.file_name)
        photo, sharp = load_pixels(path, self._side), load_pixels(path, 2 * self._side)
        phrases = [{"number": self.number(unit, item), "phrase": self._phrase(item)} for item in unit.items]
        parts = [
            picture_part(photo, [Mark(rival.box)]),
            cut_part(sharp, rival.box),
            text_part(json.dumps({"phrases": phrases}, ensure_ascii=False)),
        ]
        return [{"role": "system", "content": prompt("confirm")}, {"role": "user", "content": parts}]

    def number(self, unit: Unit, item: int) -> int:
        """The place of a pair within its question, from 1."""
        return 1 + unit.items.index(item)

    def schema(self, numbers: Sequence[int]) -> Mapping[str, Any]:
        """Number, verdict and reason of each."""
        return answer_schema(ConfirmedRecord, numbers)

    def read(self, unit: Unit, numbers: Sequence[int], text: str) -> Reading:
        """For each number ``{"fits", "why", "expression"}``, or what is wrong."""
        records, reading = read_records(text, ConfirmedRecord, numbers)
        results = {
            number: {"fits": record.fits, "why": record.why, "expression": self._phrase(unit.items[number - 1])}
            for number, record in records.items()
        }
        return Reading(results, reading.problems, reading.general)

    def confirmed(self, asked: Asked) -> list[Flag]:
        """The flags with what the model said.

        A flag is confirmed if one of its rivals fits, and refuted if none does; while a rival without an answer is left
        and none fits, it stays open (None).
        """
        said: dict[int, list[bool | None]] = {}
        for item, case in enumerate(self.cases):
            result = asked.results.get(item)
            said.setdefault(case.flag, []).append(None if result is None else bool(result["fits"]))
        return [
            replace(flag, confirmed=_verdict(said[place])) if place in said else flag
            for place, flag in enumerate(self._flags)
        ]


def _verdict(said: Sequence[bool | None]) -> bool | None:
    if True in said:
        return True
    return None if None in said else False

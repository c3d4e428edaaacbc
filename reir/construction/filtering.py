"""The filter: a model that reads captions and descriptions keeps, improves, merges or drops them (paper, Figure 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reir.construction.answers import FilteredRecord, PhraseRecord, Reading, answer_schema, read_records
from reir.construction.asking import Unit
from reir.construction.endpoint import EndpointSettings
from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.construction.pixels import load_pixels, picture_part, text_part
from reir.construction.prompts import prompt
from reir.construction.texts import plain, problems_of, strange_nouns
from reir.construction.tokens import picture_tokens

NONE_SENTENCE = "None of the descriptions are suitable."
"""What the paper's filter writes where nothing can stay (Figure 10): understood, never written."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """How descriptions are filtered.

    Args:
        instances_a_request: instances of one picture that are decided about together.
        vision: show the picture too. The paper's filter reads captions and descriptions alone.
        picture_side: pixels of its longer side.
        picture_tokens: tokens that a picture takes, for the estimate; None for the rule of `tokens.picture_tokens`.
    """

    instances_a_request: int = 16
    vision: bool = False
    picture_side: int = 768
    picture_tokens: int | None = None


class FilterStep:
    """The questions of the filter; see `asking.Step`. Only instances with descriptions are in a unit."""

    kind = "filter"

    def __init__(self, data: AnnotatedSet, settings: FilterSettings, endpoint: EndpointSettings) -> None:
        self._settings, self._endpoint = settings, endpoint
        self._root, self._digest = data.images_root, data.digest
        self._pictures: dict[str, AnnotatedPicture] = {}
        units: list[Unit] = []
        for picture in data.pictures:
            wanted = [instance.id for instance in picture.instances if instance.texts]
            for start in range(0, len(wanted), settings.instances_a_request):
                unit = Unit(f"{picture.file_name}#{start}", tuple(wanted[start : start + settings.instances_a_request]))
                units.append(unit)
                self._pictures[unit.key] = picture
        self.units: Sequence[Unit] = tuple(units)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Model, input, prompt and options."""
        options = {key: value for key, value in asdict(self._settings).items() if key != "picture_tokens"}
        return {
            "model": self._endpoint.model,
            "temperature": self._endpoint.temperature,
            "source": self._digest,
            "prompt": hashlib.sha256(self._instructions.encode()).hexdigest()[:16],
            **options,
        }

    @property
    def tokens_an_item(self) -> int:
        """About five phrases of some twenty tokens, each in a record of its own."""
        return 5 * 40 + 20

    @property
    def tokens_a_picture(self) -> int:
        """As given, or by the rule of `tokens.picture_tokens` for a picture of 4:3."""
        side = self._settings.picture_side
        return self._settings.picture_tokens or picture_tokens(side, side * 3 // 4)

    @cached_property
    def _instructions(self) -> str:
        return prompt("filter", sight="see the photo" if self._settings.vision else "cannot see the photo")

    def messages(self, unit: Unit) -> list[dict[str, Any]]:
        """Instructions, then captions and candidates.

        Raises:
            ImageUnreadableError: the picture is to be shown, and cannot be decoded.
        """
        picture = self._pictures[unit.key]
        facts = json.dumps(self._facts(picture, unit), ensure_ascii=False)
        content: Any = facts
        if self._settings.vision:
            pixels = load_pixels(self._root / Path(picture.file_name), self._settings.picture_side)
            content = [picture_part(pixels), text_part(facts)]
        return [{"role": "system", "content": self._instructions}, {"role": "user", "content": content}]

    def _facts(self, picture: AnnotatedPicture, unit: Unit) -> dict[str, Any]:
        instances, others = [], []
        for number, one in enumerate(picture.instances, start=1):
            entry: dict[str, Any] = {"number": number, "category": one.category}
            if one.id in unit.items:
                phrases = [{"index": index, "text": text} for index, text in enumerate(one.texts)]
                instances.append(entry | {"phrases": phrases})
            else:
                # They set the scene, and phrases must not fit them; nothing is decided about them here.
                others.append(entry | ({"phrase": one.texts[0]} if one.texts else {}))
        return {"captions": list(picture.captions), "instances": instances, "others": others}

    def number(self, unit: Unit, item: int) -> int:
        """The instance's number within its picture."""
        return self._pictures[unit.key].number_of(item)

    def schema(self, numbers: Sequence[int]) -> Mapping[str, Any]:
        """Number and phrases of each, with what they were made of."""
        return answer_schema(FilteredRecord, numbers)

    def read(self, unit: Unit, numbers: Sequence[int], text: str) -> Reading:
        """For each number ``{"phrases": [{"text", "verdict", "from", ...}], "dropped": [index]}``, or what is wrong."""
        picture = self._pictures[unit.key]
        records, reading = read_records(text, FilteredRecord, numbers)
        results: dict[int, dict[str, Any]] = {}
        problems = {number: list(found) for number, found in reading.problems.items()}
        taken: dict[str, int] = {}
        owners: dict[str, list[int]] = {}
        for n, one in enumerate(picture.instances, start=1):
            for phrase in one.texts:
                owners.setdefault(plain(phrase), []).append(n)
        told = [*picture.captions, *(one.category for one in picture.instances)]
        told += [phrase for one in picture.instances for phrase in one.texts]
        for number, record in records.items():
            instance = picture.instances[number - 1]
            phrases = [phrase for phrase in record.phrases if phrase.text.strip() != NONE_SENTENCE]
            theirs = {same: other for same, all_ in owners.items() for other in all_ if other != number}
            found = _wrong(phrases, instance, theirs | taken)
            if found:
                problems[number] = found
                continue
            kept = [entry for phrase in phrases for entry in _entries(phrase, instance, told)]
            used = {index for entry in kept for index in entry["from"]}
            dropped = [index for index in range(len(instance.texts)) if index not in used]
            results[number] = {"phrases": kept, "dropped": dropped}
            taken |= {plain(entry["text"]): number for entry in kept}
        return Reading(results, problems, reading.general)


def _wrong(phrases: Sequence[PhraseRecord], instance: AnnotatedInstance, taken: Mapping[str, int]) -> list[str]:
    found: list[str] = []
    used: set[int] = set()
    seen: set[str] = set()
    for place, phrase in enumerate(phrases, start=1):
        what = f"phrase {place}"
        unknown = [index for index in phrase.source if not 0 <= index < len(instance.texts)]
        if unknown or not phrase.source:
            found.append(f"{what}: 'from' must name candidates 0 to {len(instance.texts) - 1}, got {phrase.source}")
        if used & set(phrase.source) or len(set(phrase.source)) != len(phrase.source):
            found.append(f"{what}: an index of {phrase.source} is used more than once")
        used |= set(phrase.source)
        if (phrase.verdict == "merged") != (len(phrase.source) > 1):
            found.append(f"{what} is called {phrase.verdict!r} but made of {len(phrase.source)} candidates")
        elif phrase.verdict == "kept" and not unknown and phrase.source:
            # Kept word for word: what the generator was allowed to say is not judged again.
            if _spaced(phrase.text) != _spaced(instance.texts[phrase.source[0]]):
                found.append(f"{what} is called 'kept' but differs from candidate {phrase.source[0]}")
        else:
            found += [f"{what}: {problem}" for problem in problems_of(phrase.text)]
        same = plain(phrase.text)
        if same in seen:
            found.append(f"{what} repeats another")
        elif same in taken:
            found.append(f"{what} is also given to number {taken[same]}")
        seen.add(same)
    return found


def _entries(phrase: PhraseRecord, instance: AnnotatedInstance, told: Sequence[str]) -> list[dict[str, Any]]:
    """The phrase as it stands, or the candidates it was made of if it names a thing that nobody has named.

    The paper's rule is that nothing is added. It is enforced here without asking again: what was there before is
    better than an invention, and costs nothing.
    """
    entry = {"text": _spaced(phrase.text), "verdict": phrase.verdict, "from": list(phrase.source)}
    if phrase.verdict == "kept":
        return [entry]
    strange = strange_nouns(phrase.text, told)
    if not strange:
        return [entry]
    return [
        {
            "text": instance.texts[index],
            "verdict": "reverted",
            "from": [index],
            "refused": entry["text"],
            "named": strange,
        }
        for index in phrase.source
    ]


def _spaced(text: str) -> str:
    return " ".join(text.split())

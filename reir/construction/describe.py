"""Generation: a model that sees the picture writes descriptions of its instances (paper, section 3.2 and Figure 9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from reir.construction.answers import DescribedRecord, Reading, answer_schema, read_records
from reir.construction.asking import Unit
from reir.construction.endpoint import EndpointSettings
from reir.construction.neighbours import among_its_kind, nearest, place
from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet, says_poor
from reir.construction.pixels import cut_part, load_pixels, picture_part, text_part
from reir.construction.prompts import prompt
from reir.construction.quality import QualityRule
from reir.construction.texts import plain, problems_of, subject_warning
from reir.construction.tokens import picture_tokens
from reir.imaging import Mark

_MARKED = (
    "The frames and labels in the photo were drawn to show you which object has which number. They are no part of the "
    "scene: never mention them."
)
_CUTS = "After the photo come closer cuts of the objects to describe, each after its number."


@dataclass(frozen=True, slots=True)
class DescribeSettings:
    """How descriptions are asked for.

    Args:
        descriptions: how many of each instance; the paper asks for five.
        instances_a_request: instances of one picture that are asked about together.
        picture_side: pixels of the picture's longer side as it is sent.
        neighbours: nearest objects told of each instance.
        marks: draw the numbered boxes on the picture. The paper gives them as numbers only, as ``False`` does.
        cuts: send a closer cut of each instance too.
        picture_tokens: tokens that a picture takes, for the estimate; None for the rule of `tokens.picture_tokens`.
        quality: which instances are poor before anybody is asked.
    """

    descriptions: int = 5
    instances_a_request: int = 8
    picture_side: int = 768
    neighbours: int = 3
    marks: bool = False
    cuts: bool = False
    picture_tokens: int | None = None
    quality: QualityRule = field(default_factory=QualityRule)


class DescribeStep:
    """The questions of generation; see `asking.Step`. Poor instances are in no unit."""

    kind = "describe"

    def __init__(self, data: AnnotatedSet, settings: DescribeSettings, endpoint: EndpointSettings) -> None:
        self._settings, self._endpoint = settings, endpoint
        self._root, self._digest = data.images_root, data.digest
        self._pictures: dict[str, AnnotatedPicture] = {}
        self.poor: dict[int, str] = {}
        """Why an instance is not asked about, by its id."""
        units: list[Unit] = []
        for picture in data.pictures:
            wanted = []
            for instance in picture.instances:
                cause = settings.quality.cause(picture, instance)
                if cause is None:
                    wanted.append(instance.id)
                else:
                    self.poor[instance.id] = cause
            for start in range(0, len(wanted), settings.instances_a_request):
                unit = Unit(f"{picture.file_name}#{start}", tuple(wanted[start : start + settings.instances_a_request]))
                units.append(unit)
                self._pictures[unit.key] = picture
        self.units: Sequence[Unit] = tuple(units)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Model, input, prompt and options."""
        options = {key: value for key, value in asdict(self._settings).items() if key != "picture_tokens"}
        words = self._instructions
        return {
            "model": self._endpoint.model,
            "temperature": self._endpoint.temperature,
            "source": self._digest,
            "prompt": hashlib.sha256(words.encode()).hexdigest()[:16],
            **options,
        }

    @property
    def tokens_an_item(self) -> int:
        """Some twenty for each description, and the record around them."""
        return 22 * self._settings.descriptions + 20

    @property
    def tokens_a_picture(self) -> int:
        """As given, or by the rule of `tokens.picture_tokens` for a picture of 4:3."""
        side = self._settings.picture_side
        return self._settings.picture_tokens or picture_tokens(side, side * 3 // 4)

    @cached_property
    def _instructions(self) -> str:
        told = prompt("describe", count=self._settings.descriptions)
        more = [words for words, wanted in ((_MARKED, self._settings.marks), (_CUTS, self._settings.cuts)) if wanted]
        return "\n\n".join([told, *more])

    def messages(self, unit: Unit) -> list[dict[str, Any]]:
        """Instructions, then the picture with what is known of its objects.

        Raises:
            ImageUnreadableError: the picture cannot be decoded.
        """
        picture = self._pictures[unit.key]
        pixels = load_pixels(self._root / Path(picture.file_name), self._settings.picture_side)
        marks = []
        if self._settings.marks:
            marks = [Mark(one.box, str(number)) for number, one in enumerate(picture.instances, start=1)]
        parts = [picture_part(pixels, marks)]
        if self._settings.cuts:
            sharp = load_pixels(self._root / Path(picture.file_name), 2 * self._settings.picture_side)
            for instance in _of(picture, unit):
                number = picture.number_of(instance.id)
                parts += [text_part(f"number {number}:"), cut_part(sharp, instance.box)]
        parts.append(text_part(json.dumps(self._facts(picture, unit), ensure_ascii=False)))
        return [{"role": "system", "content": self._instructions}, {"role": "user", "content": parts}]

    def _facts(self, picture: AnnotatedPicture, unit: Unit) -> dict[str, Any]:
        objects = [
            {
                "number": number,
                "category": one.category,
                "box": _relative(picture, one),
                "place": place(picture, one),
            }
            for number, one in enumerate(picture.instances, start=1)
        ]
        describe = []
        for one in _of(picture, unit):
            near = nearest(picture, one, self._settings.neighbours)
            wanted: dict[str, Any] = {"number": picture.number_of(one.id)}
            if near:
                wanted["near"] = [f"{found.relation} {found.category} {found.number}" for found in near]
            if kind := among_its_kind(picture, one):
                wanted["among"] = f"{one.category} {kind}"
            describe.append(wanted)
        return {"captions": list(picture.captions), "objects": objects, "describe": describe}

    def number(self, unit: Unit, item: int) -> int:
        """The instance's number within its picture."""
        return self._pictures[unit.key].number_of(item)

    def schema(self, numbers: Sequence[int]) -> Mapping[str, Any]:
        """Number, quality and descriptions of each."""
        return answer_schema(DescribedRecord, numbers)

    def read(self, unit: Unit, numbers: Sequence[int], text: str) -> Reading:
        """For each number ``{"quality", "texts", "warnings"}``, or what is wrong."""
        picture = self._pictures[unit.key]
        records, reading = read_records(text, DescribedRecord, numbers)
        results: dict[int, dict[str, Any]] = {}
        problems = {number: list(found) for number, found in reading.problems.items()}
        taken: dict[str, int] = {}
        for number, record in records.items():
            if record.quality == "poor" or (len(record.descriptions) == 1 and says_poor(record.descriptions[0])):
                results[number] = {"quality": "poor", "cause": "the model cannot make it out"}
                continue
            texts = [" ".join(one.split()) for one in record.descriptions]
            found = self._wrong(texts, taken)
            if found:
                problems[number] = found
                continue
            category = picture.instances[number - 1].category
            warnings = [said for one in texts if (said := subject_warning(one, category)) is not None]
            results[number] = {"quality": "good", "texts": texts, "warnings": warnings}
            taken |= {plain(one): number for one in texts}
        return Reading(results, problems, reading.general)

    def _wrong(self, texts: Sequence[str], taken: Mapping[str, int]) -> list[str]:
        wanted = self._settings.descriptions
        found = [] if len(texts) == wanted else [f"it has {len(texts)} descriptions, exactly {wanted} are wanted"]
        seen: set[str] = set()
        for place_, text in enumerate(texts, start=1):
            found += [f"description {place_}: {problem}" for problem in problems_of(text)]
            same = plain(text)
            if same in seen:
                found.append(f"description {place_} repeats another")
            elif same in taken:
                found.append(f"description {place_} is also given to number {taken[same]}, so it tells nothing apart")
            seen.add(same)
        return found


def _of(picture: AnnotatedPicture, unit: Unit) -> list[AnnotatedInstance]:
    return [one for one in picture.instances if one.id in unit.items]


def _relative(picture: AnnotatedPicture, instance: AnnotatedInstance) -> list[float]:
    x0, y0, x1, y1 = instance.box
    return [
        round(x0 / picture.width, 3),
        round(y0 / picture.height, 3),
        round(x1 / picture.width, 3),
        round(y1 / picture.height, 3),
    ]

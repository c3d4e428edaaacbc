"""Answers of models: from text to checked records, with what is wrong said so that it can be mended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Record = TypeVar("Record", bound=BaseModel)


class AnswerError(ValueError):
    """An answer that is no JSON of the wanted shape; the message says what is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DescribedRecord(_Strict):
    """One object's descriptions."""

    number: int
    quality: Literal["good", "poor"]
    descriptions: list[str]


class PhraseRecord(_Strict):
    """One phrase that the filter lets stand, and which candidates it was made of."""

    text: str
    verdict: Literal["kept", "improved", "merged"]
    source: list[int] = Field(alias="from")


class FilteredRecord(_Strict):
    """One object's phrases after the filter."""

    number: int
    phrases: list[PhraseRecord]


class ConfirmedRecord(_Strict):
    """Whether a phrase describes the framed object."""

    number: int
    fits: bool
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer gave: a result for some items, and for the others why not."""

    results: Mapping[int, Mapping[str, Any]]
    problems: Mapping[int, list[str]]
    general: Sequence[str] = field(default_factory=tuple)
    """What is wrong with the answer as a whole."""

    @property
    def complaints(self) -> list[str]:
        """All that is wrong, item by item."""
        told = [f"number {item}: {'; '.join(found)}" for item, found in self.problems.items()]
        return [*self.general, *told]


def answer_schema(record: type[BaseModel], numbers: Sequence[int]) -> dict[str, Any]:
    """The JSON schema of an answer about these numbers, in the strict form that endpoints enforce.

    Every property is required and no other is allowed; lengths are left to our own checks, since not every endpoint
    takes them.
    """
    item = _closed(record.model_json_schema(by_alias=True))
    item["properties"]["number"] = {"type": "integer", "enum": list(numbers)}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"instances": {"type": "array", "items": item}},
        "required": ["instances"],
        "additionalProperties": False,
    }
    if definitions := item.pop("$defs", None):
        schema["$defs"] = definitions
    return schema


def _closed(schema: Any) -> Any:
    """The schema without titles and descriptions, and with every object closed."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key not in ("title", "description", "default")}
    if "properties" in schema:
        closed["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        closed |= {"required": list(schema["properties"]), "additionalProperties": False}
    return closed


def parse_json(text: str) -> Any:
    """The JSON value of an answer, which may stand in a code fence, after a model's thoughts, or between words.

    Raises:
        AnswerError: there is none.
    """
    # Reasoning models of local servers write their thoughts first.
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL).strip()
    if not text:
        raise AnswerError("the answer is empty")
    tried = [text]
    if fence := re.search(r"```(?:json)?\s*\n?(.*?)```", text, flags=re.DOTALL):
        tried.append(fence[1])
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        tried.append(text[start : end + 1])
    error = ""
    for candidate in tried:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError) as failure:  # a model that loops can write brackets without end
            error = str(failure)
    raise AnswerError(f"the answer is not JSON ({error})")


def read_records(text: str, record: type[Record], numbers: Sequence[int]) -> tuple[dict[int, Record], Reading]:
    """The well-formed records of an answer by number, and a reading that holds what is wrong with the rest.

    A number that is missing, comes twice or was not asked for is a problem; so is a record of another shape.
    """
    try:
        content = parse_json(text)
    except AnswerError as error:
        return {}, Reading({}, {}, (str(error),))
    entries = content.get("instances") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        return {}, Reading({}, {}, ("the answer has no list 'instances'",))
    records: dict[int, Record] = {}
    problems: dict[int, list[str]] = {}
    general: list[str] = []
    for entry in entries:
        number = entry.get("number") if isinstance(entry, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number not in numbers:
            general.append(f"an entry has the number {number!r}, which was not asked for")
        elif number in records or number in problems:
            records.pop(number, None)
            problems[number] = ["it appears more than once"]
        else:
            try:
                records[number] = record.model_validate(entry)
            except ValidationError as error:
                problems[number] = [_said(line) for line in error.errors()]
    for number in numbers:
        if number not in records and number not in problems:
            problems[number] = ["it is missing"]
    return records, Reading({}, problems, tuple(general))


def _said(line: Any) -> str:
    where = ".".join(str(part) for part in line["loc"])
    return f"{where}: {line['msg']}" if where else str(line["msg"])

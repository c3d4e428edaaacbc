"""How a model is named: ``NAME``, ``NAME:ARGUMENT`` or ``NAME:ARGUMENT,KEY=VALUE,...``.

The name is all that an index keeps of how its model was set up, so everything that changes its vectors is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reir.errors import UsageError

_OPTION = re.compile(r",(?=[a-z_]+=)")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's registered name, its argument (a folder, or a tower as ``ARCH__PRETRAINED``) and its options."""

    name: str
    argument: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """The parts of a name such as ``rpn-clip:ViT-B-32__openai,size=480``.

        Only a comma before ``key=`` ends a value, so folders may hold commas.

        Raises:
            UsageError: it has no name, or an option twice.
        """
        name, _, rest = text.partition(":")
        if not name:
            raise UsageError(f"{text!r} names no model. See them all with: reir models list")
        parts = _OPTION.split(rest) if rest else []
        argument = parts.pop(0) if parts and not re.match(r"[a-z_]+=", parts[0]) else None
        options: dict[str, str] = {}
        for part in parts:
            key, _, value = part.partition("=")
            if key in options:
                raise UsageError(f"the model {text!r} has {key} twice")
            options[key] = value
        return cls(name, argument or None, options)

    def __str__(self) -> str:
        """The name to keep; options in the order of their keys."""
        settings = [f"{key}={value}" for key, value in sorted(self.options.items())]
        tail = ",".join([*([self.argument] if self.argument else []), *settings])
        return f"{self.name}:{tail}" if tail else self.name

    def require_options(self, known: Iterable[str]) -> None:
        """Returns when the model knows all the options that are given.

        Raises:
            UsageError: it does not; the known ones are named.
        """
        known = sorted(known)
        for key in self.options:
            if key not in known:
                has = f"it has: {', '.join(known)}" if known else "it has none"
                raise UsageError(f"{self.name} has no option {key!r}; {has}")

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """An option as a number from ``low`` to ``high``.

        Raises:
            UsageError: it is none, or out of range.
        """
        text = self.options.get(key)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise UsageError(f"{self.name}: {key} must be a number from {low:g} to {high:g}, got {text!r}")
        return value

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """An option that is one of ``choices``.

        Raises:
            UsageError: it is none of them.
        """
        value = self.options.get(key, default)
        if value not in choices:
            raise UsageError(f"{self.name}: {key} must be one of {', '.join(choices)}, got {value!r}")
        return value

    def whole_number(self, key: str, default: int, *, low: int, high: int) -> int:
        """An option as a whole number from ``low`` to ``high``.

        Raises:
            UsageError: it is none, or out of range.
        """
        value = self.number(key, default, low=low, high=high)
        if value != int(value):
            raise UsageError(f"{self.name}: {key} must be a whole number, got {self.options[key]!r}")
        return int(value)


def changed_options(settings: Mapping[str, float | str], defaults: Mapping[str, float | str]) -> dict[str, str]:
    """The settings that differ from the defaults, as options of a name: equal models get equal names.

    Numbers keep every digit: read again they are the same.
    """
    return {
        key: value if isinstance(value, str) else repr(value).removesuffix(".0")
        for key, value in settings.items()
        if value != defaults.get(key)
    }

"""The words that models are asked with, one file a question; they are part of the settings' fingerprint."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template


def prompt(name: str, **values: object) -> str:
    """The text of ``NAME.md`` in this folder, with ``$count`` and the like filled in."""
    return _template(name).substitute(values)


@cache
def _template(name: str) -> Template:
    return Template(files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip())

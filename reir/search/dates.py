"""Dates as people write them, for the filters on when a picture was taken."""

from __future__ import annotations

import re
from datetime import datetime

from reir.errors import UsageError

_SHORT = re.compile(r"(\d{4})(?:-(\d{1,2}))?")


def parse_date(text: str) -> datetime:
    """The moment at which a year (``2024``), a month (``2024-05``), a day or an ISO 8601 time begins, without a zone.

    Cameras write local time without a zone, so a zone that is given is dropped: the clock reading is what counts.

    Raises:
        UsageError: none of these forms.
    """
    tidy = text.strip()
    short = _SHORT.fullmatch(tidy)
    try:
        if short:
            return datetime(int(short[1]), int(short[2] or 1), 1)
        return datetime.fromisoformat(tidy).replace(tzinfo=None)
    except ValueError:
        raise UsageError(f"{text!r} is not a date. Write 2024, 2024-05, 2024-05-17 or 2024-05-17T18:30") from None

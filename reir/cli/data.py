"""``reir data``: making data sets."""

from __future__ import annotations

import typer

app = typer.Typer(help="Make data sets.", no_args_is_help=True, rich_markup_mode=None)

"""Emoji scenes as something to train on: rendered once, read in batches with their scene graphs, validated on.

Nothing is imported here: torch stays out of what only reads a run file.
"""

__all__: list[str] = []

"""CLARE around SigLIP, as the paper has it: its sizes, what it starts from, and its training on photographs.

Nothing is imported here: torch stays out of what only reads a run file.
"""

__all__: list[str] = []

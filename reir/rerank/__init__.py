"""Stages over the top hits of a search: whatever depends on the pair of query and instance.

A stage takes an expression, the hits found so far and, on demand, their pixels, and returns hits; stages chain.
"""

__all__: list[str] = []

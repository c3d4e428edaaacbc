"""TODO docstring by the room owner."""

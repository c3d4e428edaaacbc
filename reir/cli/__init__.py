"""The command line: parses, calls the library, prints. Results go to stdout, all else to stderr."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command given in ``sys.argv`` and leave with its exit code."""
    import sys

    from reir.cli.app import run

    sys.exit(run())

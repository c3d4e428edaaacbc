"""The command line as the other tests of it run it."""

from tests.cli.conftest import command

__all__ = ["command"]

"""Training relation layers and the text branch over a finished network, whose maps and boxes stay as they are."""

from reir.training.relating.config import RelatingConfig

__all__ = ["RelatingConfig"]

"""VATEX trained: rows of pictures, expressions and masks, the objective, runs."""

from reir.training.vatex.config import VatexTraining

__all__ = ["VatexTraining"]

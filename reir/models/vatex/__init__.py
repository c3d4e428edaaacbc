"""VATEX: an expression to the mask of its object (Vision-Aware Text Features in Referring Image Segmentation)."""

from reir.models.vatex.config import BACKBONES, RESNET_50, RESNET_101, SWIN_B, TINY, Backbone, VatexConfig

__all__ = ["BACKBONES", "RESNET_50", "RESNET_101", "SWIN_B", "TINY", "Backbone", "VatexConfig"]

"""Image-text towers: pictures and texts to unit vectors of one space, by any model of open_clip."""

from reir.models.towers.preprocess import RESIZE_MODES, Preprocess
from reir.models.towers.source import TowerSource
from reir.models.towers.tower import ClipTower

__all__ = ["RESIZE_MODES", "ClipTower", "Preprocess", "TowerSource"]

"""The emoji world: nouns, glyphs in ten colours, places, and scenes rendered with their truth."""

from reir.data.scenes.glyphs import EmojiFontError, glyph
from reir.data.scenes.nouns import Noun, load_nouns, nouns_by_name
from reir.data.scenes.owners import draw_owners
from reir.data.scenes.places import ELSEWHERE, PLACE_BY_NAME, PLACES, Place, ground
from reir.data.scenes.recolour import nearest_colour, recoloured
from reir.data.scenes.render import Rendered, render, save_jpeg
from reir.data.scenes.scene import COLOURS, GREY, SIZES, Camera, Scene, SceneObject, Size
from reir.data.scenes.truth import measure, mirror

__all__ = [
    "COLOURS",
    "ELSEWHERE",
    "GREY",
    "PLACES",
    "PLACE_BY_NAME",
    "SIZES",
    "Camera",
    "EmojiFontError",
    "Noun",
    "Place",
    "Rendered",
    "Scene",
    "SceneObject",
    "Size",
    "draw_owners",
    "glyph",
    "ground",
    "load_nouns",
    "measure",
    "mirror",
    "nearest_colour",
    "nouns_by_name",
    "recoloured",
    "render",
    "save_jpeg",
]

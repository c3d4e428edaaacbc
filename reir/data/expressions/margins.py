"""Where words begin and end to be true: every threshold of the world's vocabulary, in one place.

Lengths are scene units (the square root of the picture's area is 1). Each word has a threshold from which it is
true and another from which it is false; what lies between is undefined and is never used, neither as an answer
nor as a distractor. Changing a number here changes every split: do not, once a model has been trained.
"""

from __future__ import annotations

from typing import Final

# left of, right of, above, below: along the axis, across it, and how far the boxes may overlap.
DIRECTION_TRUE: Final = 0.06
"""The centres are at least this far apart along the axis."""
DIRECTION_FALSE: Final = 0.02
"""Nearer than this along the axis (or on the wrong side): not in that direction."""
SLOPE_TRUE: Final = 1.6
"""The offset across the axis is at most so many times the offset along it (58 degrees)."""
SLOPE_FALSE: Final = 2.6
"""Steeper than this (69 degrees) the other axis is the one that people name."""
DIRECTION_OVERLAP: Final = 0.25
"""The boxes overlap along the axis by at most this share of the narrower one."""

# on: the lower edge of one thing meets the surface of a thing that can carry it.
ON_ABOVE_TRUE: Final = 0.03
"""The lower edge floats above the surface by at most this much (scene units) ..."""
ON_ABOVE_FALSE: Final = 0.07
ON_SUNK_TRUE: Final = 0.15
"""... and is sunk below it by at most this share of the carrier's height."""
ON_SUNK_FALSE: Final = 0.30
ON_SURFACE: Final = 0.35
"""Where the surface of a thing that carries nothing would be, for the poses that are left undefined."""
ON_INSET_TRUE: Final = 0.10
"""The centre lies within the carrier's width less this share of it on both sides."""
ON_OUTSET_FALSE: Final = 0.03
"""The centre lies outside the carrier's width by at least this: not on it."""
ON_WIDTH: Final = 1.3
"""Things wider than so many times the carrier do not stand on it."""

# under: below what stands on it, or straight below it.
UNDER_GAP_TRUE: Final = (-0.02, 0.14)
UNDER_GAP_FALSE: Final = 0.22
UNDER_OVERLAP_TRUE: Final = 0.5
"""Share of the narrower thing's width that lies below the other."""
UNDER_OVERLAP_FALSE: Final = 0.1
UNDER_SUNK_FALSE: Final = 0.5
"""Overlapping downwards by more than this share of the lower of the two heights: not under it."""

# next to: side by side with a small gap, on about the same line.
NEXT_GAP_TRUE: Final = 0.10
NEXT_GAP_FALSE: Final = 0.16
"""From this distance between the boxes on: not next to it."""
NEXT_OVERLAP: Final = 0.15
"""Side by side still, while the boxes overlap by at most this share of the narrower width."""
NEXT_LEVEL: Final = 0.5
"""Share of the lower height that both have in common."""

# between: near the line that joins two centres, and not near its ends.
BETWEEN_SPAN_TRUE: Final = 0.25
"""At least this share of the line lies on either side."""
BETWEEN_SPAN_FALSE: Final = 0.08
BETWEEN_OFF_TRUE: Final = 0.10
"""Distance of the centre from the line."""
BETWEEN_OFF_FALSE: Final = 0.22
BETWEEN_OVERLAP: Final = 0.2
"""The middle one shares at most this share of the smaller box with either side."""

# in front of, behind: one hides a part of the other.
FRONT_OVERLAP_TRUE: Final = 0.06
"""The boxes share at least this share of the smaller one."""
FRONT_HIDDEN_TRUE: Final = 0.95
"""The one behind shows at most this share of itself."""
FRONT_ALONE: Final = 0.02
"""Another thing in front that shares more than this share of the hidden box may be what hides it ..."""
FRONT_SURE: Final = 0.20
"""... unless this one shares so much that it hides some of it in any case."""
FRONT_TOUCH: Final = 0.01
"""Boxes that come nearer than this may hide each other without sharing pixels of their boxes."""
FRONT_FOOT: Final = 0.05
"""Straight below by less than this reads as 'in front of' in depth: undefined."""

# Positions: the centre, as a share of the picture's width and height.
EDGE_TRUE: Final = 0.30
EDGE_FALSE: Final = 0.42
CORNER_TRUE: Final = 0.34
CORNER_FALSE: Final = 0.45
CENTRE_TRUE: Final = 0.12
"""Distance from the middle, along either side."""
CENTRE_FALSE: Final = 0.22

# Superlatives and ordinals: how far apart neighbours are that can be told apart.
RANK_GAP: Final = 0.06
RANK_RATIO: Final = 1.2
"""Longer side over longer side, for 'largest' and 'smallest'."""

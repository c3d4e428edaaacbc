"""Tune-An-Ellipse."""

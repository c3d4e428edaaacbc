"""Tune-An-Ellipse: a red ellipse on the picture, tuned until the tower sees in it what is searched for."""

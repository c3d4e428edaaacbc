"""Finds the object you describe, in all your pictures, and shows where it is."""

"""What the measuring of a cell shares: how far it has come, and its batches by their shapes."""

from layerprof.sweeping.measuring.base.course import Course
from layerprof.sweeping.measuring.base.shapes import Shapes, are_mixed, longest_of, one_of_each, shapes_of

__all__ = ["Course", "Shapes", "are_mixed", "longest_of", "one_of_each", "shapes_of"]

"""Convex bodies in place of spheres: ellipsoids and faceted crystals."""

from .polytope import Polytope
from .shapes import EllipsoidShape, Shape, SphereShape, WulffShape

__all__ = ["EllipsoidShape", "Polytope", "Shape", "SphereShape", "WulffShape"]

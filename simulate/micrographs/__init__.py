"""Micrographs of drawn atomic scenes, with their truth: recipes of kind `scene`."""

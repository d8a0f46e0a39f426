"""Atomically resolved micrographs: images with their truth, patches of them, maps of what is found there."""

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet

__all__ = ["Micrograph", "PatchSet"]

"""Choosing window, latent numbers, invariances and clusters by a reward that needs no truth."""

from learn.reward.search import run_search
from learn.reward.settings import SearchSettings

__all__ = ["SearchSettings", "run_search"]

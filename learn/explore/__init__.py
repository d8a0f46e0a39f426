"""`heterostem explore`: a page that shows what clusters and latent numbers of patches say of a micrograph."""

from learn.explore.session import Session
from learn.explore.state import ExploreState

__all__ = ["ExploreState", "Session"]

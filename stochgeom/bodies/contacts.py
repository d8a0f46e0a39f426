"""Contacts and overlaps of convex bodies by Perram and Wertheim's criterion.

Two bodies are in contact if they touch once both are scaled about their centres by the same factor (Perram
and Wertheim, J. Comput. Phys. 58 (1985) 409). For spheres the factor is d / (r_i + r_j), so tolerances and
the overlap coefficient mean what they mean for spheres.
"""

from __future__ import annotations

import numpy as np

from ..contacts import contact_pairs
from ..errors import UserError
from .kernels import Bodies, separation, touching

LARGEST_OVERLAP = 1e-3  # coefficient up to which bodies that are no spheres count as touching


def body_pairs(bodies: Bodies, centres: np.ndarray, tolerance: float) -> np.ndarray:
    """(m, 2) int64 pairs i < j that touch or overlap when both are 1 + tolerance times as large, sorted."""
    near = contact_pairs(centres, bodies.circumradii, tolerance)
    return near[touching(bodies, centres, near, 1.0 + tolerance)]


def overlaps(bodies: Bodies, centres: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(m,) overlap coefficient of each pair: one less the factor by which both touch; (s - d) / s."""
    return np.array([1.0 - separation(bodies, centres, i, j) for i, j in pairs])


def refuse_overlaps(bodies: Bodies, centres: np.ndarray) -> None:
    """UserError where bodies overlap: there is no rule to whom the material between them belongs."""
    pairs = body_pairs(bodies, centres, -LARGEST_OVERLAP)
    if len(pairs):
        i, j = pairs[0]
        share = 100 * overlaps(bodies, centres, pairs[:1])[0]
        raise UserError(
            f"particles {i} and {j} overlap by {share:.2g} %: necks are for spheres; other bodies may "
            f"overlap by {100 * LARGEST_OVERLAP:g} % at most ({len(pairs)} pairs do by more)"
        )

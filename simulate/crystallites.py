"""The single crystals of a scene, as far as response tables need to know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Crystallites:
    """The n single crystals of a scene: particles of an aggregate, phases or grains of a lamella.

    phase (n,) int64 indexes `phase_names`; orientations (n, 4): unit quaternions (x, y, z, w), active,
    crystal to laboratory; names[k]: under which a coefficient for crystal k may be given, the first first.
    """

    phase_names: tuple[str, ...]
    phase: NDArray[np.int64]
    orientations: NDArray[np.float64]
    names: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.phase)


def beam_directions(orientations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction of the beam (+z of the laboratory) in each crystal's own frame.

    orientations: (n, 4) unit quaternions (x, y, z, w), active, crystal to laboratory. Returns R^T z, (n, 3).
    """
    x, y, z, w = np.asarray(orientations, np.float64).T
    return np.column_stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)])

"""What is true at the middle of each patch, of micrographs whose scenes were drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet
from simulate.corpus.scene_truth import NO_REGION, SceneTruth

ON_COLUMN_NM = 0.1
REACH_NM = 0.6
"""How far the column may be from which a patch takes rotation, polarization and tilt."""


@dataclass(frozen=True, eq=False)
class PatchTruth:
    """One row for each of n patches; 255 or NaN where nothing is true, or known, of the place.

    phase, domain, kind (n,) uint8: numbers in the names of the image's truth, kind of the column within 0.1
    nm; rotation_degrees (n,); polarization_pm (n, 2) and tilt_mrad (n, 2), x and y, of the nearest column of
    the same region; wall_distance_nm (n,) to the nearest wall (infinite where the image has none).
    """

    phase: NDArray[np.uint8]
    domain: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    rotation_degrees: NDArray[np.float64]
    polarization_pm: NDArray[np.float64]
    tilt_mrad: NDArray[np.float64]
    wall_distance_nm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.phase)

    @property
    def region(self) -> NDArray[np.int64]:
        """(n,) one number for each pair of phase and domain; -1 where there is no phase."""
        region = self.phase.astype(np.int64) * (NO_REGION + 1) + self.domain
        return np.where(self.phase == NO_REGION, -1, region)


def patch_truth(patch_set: PatchSet) -> PatchTruth:
    """Truth of every patch, in the set's order."""
    n = len(patch_set)
    phase, domain, kind = np.full((3, n), NO_REGION, np.uint8)
    turn, distance = np.full((2, n), np.nan)
    polarization, tilt = np.full((2, n, 2), np.nan)
    found = PatchTruth(phase, domain, kind, turn, polarization, tilt, distance)
    for number, micrograph in enumerate(patch_set.micrographs):
        rows = np.flatnonzero(patch_set.source == number)
        if micrograph.truth is not None and len(rows):
            _fill(found, rows, patch_set.centres_px[rows], micrograph, micrograph.truth)
    return found


def wall_distances(points_nm: NDArray[np.float64], walls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (n, m) in nm of points (n, 2) x, y from each of m walls, straight pieces (m, 4 or more)."""
    start, along = walls[:, :2], walls[:, 2:4] - walls[:, :2]
    away = points_nm[:, None] - start
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip((away * along).sum(axis=-1) / length, 0, 1)
    return np.linalg.norm(away - share[..., None] * along, axis=-1)


def _fill(
    found: PatchTruth,
    rows: NDArray[np.int64],
    centres: NDArray[np.float64],
    micrograph: Micrograph,
    truth: SceneTruth,
) -> None:
    y, x = np.clip(np.rint(centres).astype(np.int64), 0, np.array(micrograph.shape) - 1).T
    found.phase[rows], found.domain[rows] = truth.phase[y, x], truth.domain[y, x]
    middle = (np.array(micrograph.shape) - 1) / 2
    points = ((centres - middle) * micrograph.pixel_size_nm)[:, ::-1]
    if len(truth.columns):
        distance, nearest = cKDTree(truth.positions_nm).query(points)
        on = distance <= ON_COLUMN_NM
        found.kind[rows[on]] = truth.column("kind")[nearest[on]].astype(np.uint8)
        _fill_from_columns(found, rows, points, truth)
    if len(truth.walls):
        found.wall_distance_nm[rows] = np.concatenate(
            [wall_distances(part, truth.walls).min(axis=1) for part in np.array_split(points, _parts(points))]
        )
    else:
        found.wall_distance_nm[rows] = np.inf


def _fill_from_columns(
    found: PatchTruth, rows: NDArray[np.int64], points: NDArray[np.float64], truth: SceneTruth
) -> None:
    """From the nearest column of each patch's own region: beyond a wall, other things are true."""
    phase, domain = truth.column("phase").astype(np.uint8), truth.column("domain").astype(np.uint8)
    for region in np.unique(np.stack([found.phase[rows], found.domain[rows]]), axis=1).T:
        own = np.flatnonzero((phase == region[0]) & (domain == region[1]))
        here = (found.phase[rows] == region[0]) & (found.domain[rows] == region[1])
        if region[0] == NO_REGION or len(own) == 0:
            continue
        distance, nearest = cKDTree(truth.positions_nm[own]).query(points[here])
        near = distance <= REACH_NM
        columns, target = truth.columns[own[nearest[near]]], rows[here][near]
        found.rotation_degrees[target] = columns[:, 5]
        found.polarization_pm[target] = columns[:, 6:8]
        found.tilt_mrad[target] = columns[:, 8:10]


def _parts(points: NDArray[np.float64]) -> int:
    return max(1, len(points) // 2000)

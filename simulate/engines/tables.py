"""Response tables: detected fraction against thickness, per phase and beam direction, as one .npz file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from simulate.microscope import Detector, Microscope
from simulate.resources import find
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

SCHEMA_VERSION = 2
NEIGHBOURS = 12
"""Calibrated directions that a lookup takes the mean of."""
WIDTH = 0.5
"""Of the Gaussian by which they count, in units of their spacing."""


@dataclass(frozen=True, eq=False, repr=False)
class PhaseResponse:
    """One phase: d directions, T thicknesses (the first is 0), c channels."""

    directions: np.ndarray  # (d, 3) unit vectors of the beam in the crystal's Cartesian frame
    intensity: np.ndarray  # (d, T, c) fraction of the incident beam, mean over probe positions
    noise: np.ndarray  # (T, c) relative standard deviation of a direction's intensity
    laue: np.ndarray  # (g, 3, 3) Laue group of the crystal
    broadening: np.ndarray  # (phase, c) rise per nm of what each phase of the table scatters behind this one

    @cached_property
    def _everywhere(self) -> tuple[cKDTree, np.ndarray]:
        """All symmetric copies of the directions, and the number of the direction that each is a copy of."""
        copies = np.einsum("gij,dj->gdi", self.laue, self.directions).reshape(-1, 3)
        return cKDTree(copies), np.tile(np.arange(len(self.directions)), len(self.laue))

    @cached_property
    def spacing(self) -> float:
        """Side in rad of the square that a direction has to itself."""
        return float(np.sqrt(4 * np.pi / (len(self.laue) * len(self.directions))))

    def weights(
        self, directions: np.ndarray, without: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n, k) and weights (n, k) of the calibrated directions that predict `directions` (n, 3).

        A Gaussian of the angle to them under the Laue group. `without` (n,): directions that do not count.
        """
        tree, number = self._everywhere
        beams = np.atleast_2d(np.asarray(directions, dtype=float))
        most = min(NEIGHBOURS + (0 if without is None else len(self.laue)), len(number))
        distance, copy = tree.query(beams, k=most)
        distance, found = distance.reshape(len(beams), most), number[copy].reshape(len(beams), most)
        squared = (distance / (WIDTH * self.spacing)) ** 2
        if without is not None:
            squared = np.where(found == np.asarray(without)[:, None], np.inf, squared)
        weight = np.exp(-0.5 * (squared - squared.min(axis=1, keepdims=True)))
        return found, weight / weight.sum(axis=1, keepdims=True)

    def curves(self, directions: np.ndarray, without: np.ndarray | None = None) -> np.ndarray:
        """Intensity (n, T, c) for beams along `directions` (n, 3) of the crystal: a mean of neighbours."""
        found, weight = self.weights(directions, without)
        return np.einsum("nk,nktc->ntc", weight, self.intensity[found])

    def lookup_error(self) -> np.ndarray:
        """Relative error (T, c) of looking up a direction that is not in the table, rms over directions.

        Each direction is predicted from the others. The noise of its own measurement is taken off.
        """
        everyone = np.arange(len(self.directions))
        predicted = self.curves(self.directions, without=everyone)[:, 1:]
        measured = self.intensity[:, 1:]
        total = ((predicted / measured - 1) ** 2).mean(axis=0)
        return np.concatenate([np.zeros_like(total[:1]), np.sqrt(np.maximum(total - self.noise[1:] ** 2, 0))])


@dataclass(frozen=True, eq=False, repr=False)
class ResponseTable:
    """Tabulated response of several phases, with the conditions it was calibrated for."""

    phase_responses: dict[str, PhaseResponse]
    thickness_nm: np.ndarray  # (T,), begins with 0 and rises
    metadata: dict[str, Any]

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(self.phase_responses)

    @property
    def channel_names(self) -> tuple[str, ...]:
        return tuple(d["name"] for d in self.metadata["detectors"])

    def phase(self, name: str) -> PhaseResponse:
        if name not in self.phase_responses:
            raise UserError(f"the response table has no phase {name!r}; it has: {', '.join(self.phases)}")
        return self.phase_responses[name]

    def curve(self, phase: str, direction_crystal: np.ndarray) -> np.ndarray:
        """Intensity (T, c) for the beam direction `direction_crystal` (3,)."""
        return self.phase(phase).curves(direction_crystal)[0]

    def curves(self, phase_names: Sequence[str], phase: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Intensity (n, T, c) of n particles: `phase` (n,) indexes `phase_names`, `directions` (n, 3) are
        those of the beam in each particle's crystal. UserError for a phase that the table lacks.
        """
        found = np.empty((len(phase), len(self.thickness_nm), len(self.channel_names)))
        for k in np.unique(phase):
            these = np.flatnonzero(phase == k)
            found[these] = self.phase(phase_names[k]).curves(directions[these])
        return found

    def broadening(self, phase_names: Sequence[str]) -> np.ndarray:
        """Rise (p, q, c) per nm of phase p of what phase q behind it scatters (`simulate.broadening`)."""
        columns = [self.phases.index(name) for name in phase_names]
        return np.stack([self.phase(name).broadening[columns] for name in phase_names])

    def intensity(self, curve: np.ndarray, thickness_nm: np.ndarray) -> np.ndarray:
        """Intensity of a curve (T, c) at any thicknesses: shape of `thickness_nm` + (c,), float64.

        Linear in -ln(1 - I) between the tabulated thicknesses; beyond the last one, along the last interval.
        """
        depth = -np.log1p(-np.asarray(curve, dtype=float))
        t, known = np.asarray(thickness_nm, dtype=float), self.thickness_nm
        k = np.clip(np.searchsorted(known, t, side="right") - 1, 0, len(known) - 2)
        part = ((t - known[k]) / (known[k + 1] - known[k]))[..., None]
        return -np.expm1(-(depth[k] + part * (depth[k + 1] - depth[k])))

    def r_per_um(self, phase: str, thickness_nm: float = 10.0, channel: int = 0) -> tuple[float, float]:
        """R = -ln(1 - I) / t per µm, mean over directions, and its standard error.

        I is averaged over the probes of a direction first; the error is that of the mean over directions.
        """
        curves = self.phase(phase).intensity
        at = np.array([self.intensity(c, np.array(thickness_nm))[channel] for c in curves])
        r = -np.log1p(-at) / (1e-3 * thickness_nm)
        return float(r.mean()), float(r.std(ddof=1) / np.sqrt(len(r)))

    def check(self, microscope: Microscope) -> None:
        """UserError when the table was made for another beam or other detectors."""
        made = self.metadata
        for name, value in (
            ("energy_ev", microscope.energy_ev),
            ("convergence_mrad", microscope.convergence_mrad),
        ):
            if abs(made[name] / value - 1) > 1e-6:
                raise UserError(
                    f"microscope.{name} = {value:g}, but the response table is for {made[name]:g}; "
                    "calibrate another table (heterostem calibrate)"
                )
        if tuple(Detector(**d) for d in made["detectors"]) != microscope.detectors:
            raise UserError(
                f"microscope.detectors {list(microscope.channel_names)} are not those of the response table "
                f"({list(self.channel_names)}), in name, angles or sensitivity; calibrate another table"
            )
        if microscope.aberrations:
            raise UserError(
                "microscope.aberrations: the response engine knows a beam's cone and its focus only; use the "
                "windowed engine"
            )

    def save(self, path: str | Path) -> Path:
        """Write a compressed .npz of plain arrays and one JSON string; no pickle."""
        arrays: dict[str, np.ndarray] = {"thickness_nm": np.asarray(self.thickness_nm, dtype=np.float64)}
        for name, p in self.phase_responses.items():
            arrays |= {
                f"{name}/directions": p.directions.astype(np.float64),
                f"{name}/intensity": p.intensity.astype(np.float32),
                f"{name}/noise": p.noise.astype(np.float32),
                f"{name}/laue": p.laue.astype(np.float64),
                f"{name}/broadening": p.broadening.astype(np.float64),
            }
        header = {**self.metadata, "schema_version": SCHEMA_VERSION, "phases": list(self.phases)}
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays["metadata"] = np.array(json.dumps(header))
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
        write_bytes(path, content.getvalue())
        return path

    @classmethod
    def load(cls, path: str | Path) -> ResponseTable:
        """Read a table by path, or a shipped one by name. Nothing in the file is executed."""
        file = find("responses", path, ".npz")
        try:
            with np.load(file, allow_pickle=False) as data:
                header = json.loads(str(data["metadata"]))
                if header.get("schema_version") != SCHEMA_VERSION:
                    raise UserError(
                        f"response table {file}: schema version {header.get('schema_version')}, "
                        f"this version reads {SCHEMA_VERSION}"
                    )
                phases = {
                    name: PhaseResponse(
                        *(
                            _frozen(data[f"{name}/{part}"])
                            for part in ("directions", "intensity", "noise", "laue", "broadening")
                        )
                    )
                    for name in header["phases"]
                }
                table = cls(phases, _frozen(data["thickness_nm"]), header)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"response table {file} is damaged or no such table: {error}") from error
        table._validate(file)
        return table

    def _validate(self, file: Path) -> None:
        t = self.thickness_nm
        good = t.ndim == 1 and len(t) > 1 and t[0] == 0 and bool((np.diff(t) > 0).all())
        for p in self.phase_responses.values():
            d = len(p.directions)
            good &= p.intensity.shape == (d, len(t), len(self.channel_names)) and p.laue.shape[1:] == (3, 3)
            good &= p.noise.shape == p.intensity.shape[1:] and p.directions.shape == (d, 3)
            good &= p.broadening.shape == (len(self.phases), len(self.channel_names))
            good &= bool(np.isfinite(p.broadening).all())
            good &= bool(
                np.isfinite(p.intensity).all() and (p.intensity >= 0).all() and (p.intensity < 1).all()
            )
        if not good:
            raise UserError(f"response table {file}: its arrays do not fit together")


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array

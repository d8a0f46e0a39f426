"""Response tables: detected fraction against thickness, per phase and beam direction, as one .npz file."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulate.engines.direction_model import DirectionModel, fit
from simulate.lattice_planes import PlaneFamilies
from simulate.microscope import Detector, Microscope
from simulate.resources import find
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

SCHEMA_VERSION = 2
DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip
"""What NumPy and zipfile raise for damaged files; NotImplementedError where a flipped bit names a compression
that zipfile does not know.
"""
_MODEL_ARRAYS = ("scale", "normals", "widths", "coefficients", "directions", "laue", "rest", "error")


@dataclass(frozen=True, eq=False, repr=False)
class PhaseResponse:
    """One phase: d directions, T thicknesses (the first is 0), c channels. Build it with `fitted`."""

    intensity: np.ndarray  # (d, T, c) measured, fraction of the incident beam, mean over probe positions
    noise: np.ndarray  # (T, c) relative standard deviation of a direction's intensity
    broadening: np.ndarray  # (phase, c) rise per nm of what each phase of the table scatters behind this one
    model: DirectionModel  # what lies between the directions

    @classmethod
    def fitted(
        cls,
        directions: np.ndarray,
        intensity: np.ndarray,
        noise: np.ndarray,
        laue: np.ndarray,
        broadening: np.ndarray,
        planes: PlaneFamilies | None = None,
        convergence_mrad: float = 20.0,
    ) -> PhaseResponse:
        """From intensities (d, T, c) measured along `directions` (d, 3), unit vectors of the crystal's frame.

        `noise` (T, c), `laue` (g, 3, 3) the Laue group, `broadening` (phase, c) as in
        `simulate.calibration.broadening`, `planes` the crystal's strongest lattice planes.
        """
        depth = -np.log1p(-np.asarray(intensity, dtype=float))
        return cls(
            intensity, noise, broadening, fit(directions, depth, noise, laue, planes, convergence_mrad)
        )

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (d, 3) of the beam in the crystal's Cartesian frame."""
        return self.model.directions

    @property
    def laue(self) -> np.ndarray:
        """Laue group (g, 3, 3) of the crystal."""
        return self.model.laue

    @property
    def lookup_error(self) -> np.ndarray:
        """Relative error (T, c) of looking up a direction that was not measured, rms over directions.

        Each direction is predicted from all others; the noise of its own measurement is taken off.
        """
        return self.model.error

    @property
    def spacing(self) -> float:
        """Side in rad of the square that a direction has to itself."""
        return float(np.sqrt(4 * np.pi / (len(self.laue) * len(self.directions))))

    def curves(self, directions: np.ndarray) -> np.ndarray:
        """Intensity (n, T, c) for beams along `directions` (n, 3) of the crystal."""
        return -np.expm1(-self.model.depths(directions))


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
        """Intensity (n, T, c) of n particles: 1 - exp(-`depths`)."""
        return -np.expm1(-self.depths(phase_names, phase, directions))

    def depths(self, phase_names: Sequence[str], phase: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Optical depth (n, T, c) of n particles: `phase` (n,) indexes `phase_names`, `directions` (n, 3) are
        those of the beam in each particle's crystal. UserError for a phase that the table lacks.
        """
        found = np.empty((len(phase), len(self.thickness_nm), len(self.channel_names)))
        for k in np.unique(phase):
            these = np.flatnonzero(phase == k)
            found[these] = self.phase(phase_names[k]).model.depths(directions[these])
        return found

    def broadening(self, phase_names: Sequence[str]) -> np.ndarray:
        """Rise (p, q, c) per nm of phase p of what phase q behind it scatters."""
        rows = [self.phase(name).broadening for name in phase_names]
        return np.stack(rows)[:, [self.phases.index(name) for name in phase_names]]

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
                f"{name}/intensity": p.intensity.astype(np.float32),
                f"{name}/noise": p.noise.astype(np.float32),
                f"{name}/broadening": p.broadening.astype(np.float64),
                f"{name}/family": p.model.family.astype(np.int16),
                f"{name}/reach": np.array(p.model.reach),
            }
            arrays |= {f"{name}/{part}": getattr(p.model, part).astype(np.float32) for part in _MODEL_ARRAYS}
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
                phases = {name: _phase(data, name) for name in header["phases"]}
                table = cls(phases, _frozen(data["thickness_nm"]), header)
                table._validate(file)
        except DAMAGED as error:
            raise UserError(f"response table {file} is damaged or no such table: {error}") from error
        return table

    def _validate(self, file: Path) -> None:
        t = self.thickness_nm
        good = t.ndim == 1 and len(t) > 1 and t[0] == 0 and bool((np.diff(t) > 0).all())
        for p in self.phase_responses.values():
            d = len(p.directions)
            good &= p.intensity.shape == (d, len(t), len(self.channel_names)) and p.laue.shape[1:] == (3, 3)
            good &= p.noise.shape == p.intensity.shape[1:] and p.model.fits
            good &= p.broadening.shape == (len(self.phases), len(self.channel_names))
            good &= bool(np.isfinite(p.broadening).all())
            good &= bool(
                np.isfinite(p.intensity).all() and (p.intensity >= 0).all() and (p.intensity < 1).all()
            )
        if not good:
            raise UserError(f"response table {file}: its arrays do not fit together")


def _phase(data: Any, name: str) -> PhaseResponse:
    """A phase of an opened file."""
    model = DirectionModel(
        family=_frozen(data[f"{name}/family"].astype(np.int64)),
        reach=float(data[f"{name}/reach"]),
        **{part: _frozen(data[f"{name}/{part}"].astype(np.float64)) for part in _MODEL_ARRAYS},
    )
    intensity, noise, broadening = (
        _frozen(data[f"{name}/{part}"]) for part in ("intensity", "noise", "broadening")
    )
    return PhaseResponse(intensity, noise, broadening, model)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array

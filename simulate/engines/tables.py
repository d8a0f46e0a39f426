"""Response tables: detected fraction against thickness, per phase and beam direction, as one .npz file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulate.microscope import Detector, Microscope
from simulate.resources import find
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

SCHEMA_VERSION = 1
FREE_OF_CHANNELLING_NM = 5.0
"""Thinner crystals are left out where the mean curve is taken for that of many scatterings."""


@dataclass(frozen=True, eq=False, repr=False)
class PhaseResponse:
    """One phase: d directions, T thicknesses (the first is 0), c channels."""

    directions: np.ndarray  # (d, 3) unit vectors of the beam in the crystal's Cartesian frame
    intensity: np.ndarray  # (d, T, c) mean over probe positions, fraction of the incident beam
    probe_sd: np.ndarray  # (d, T, c) standard deviation between probe positions
    laue: np.ndarray  # (g, 3, 3) Laue group of the crystal

    def nearest(self, direction: np.ndarray) -> int:
        """Index of the calibrated direction nearest to `direction` (3,) under the Laue group."""
        beam = np.asarray(direction, dtype=float)
        return int((self.directions @ (self.laue @ beam).T).max(axis=1).argmax())


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
        """Intensity (T, c) of the calibrated beam direction nearest to `direction_crystal` (3,)."""
        response = self.phase(phase)
        return response.intensity[response.nearest(direction_crystal)]

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

    def broadening_per_nm(self, phase: str) -> np.ndarray:
        """By how much (channel,) a nm of a phase raises what any material behind it sends to the detectors.

        It widens the beam, and electrons that come at an angle reach the detector more easily. In the phase
        itself this bends the mean curve over directions: s(t) = s' t (1 + b t / 2), fitted from 5 nm on.
        """
        t = self.thickness_nm[self.thickness_nm >= FREE_OF_CHANNELLING_NM]
        mean = -np.log1p(-self.phase(phase).intensity[:, -len(t) :].astype(float)).mean(axis=0)
        slope, start = np.polyfit(t, mean / t[:, None], 1)
        return np.asarray(2 * slope / start)

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
        if microscope.aberrations or microscope.focus_nm:
            raise UserError(
                "microscope.aberrations, focus_nm: response tables are made without any; use the "
                "multislice engine"
            )

    def save(self, path: str | Path) -> Path:
        """Write a compressed .npz of plain arrays and one JSON string; no pickle."""
        arrays: dict[str, np.ndarray] = {"thickness_nm": np.asarray(self.thickness_nm, dtype=np.float64)}
        for name, p in self.phase_responses.items():
            arrays |= {
                f"{name}/directions": p.directions.astype(np.float64),
                f"{name}/intensity": p.intensity.astype(np.float32),
                f"{name}/probe_sd": p.probe_sd.astype(np.float32),
                f"{name}/laue": p.laue.astype(np.float64),
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
                            for part in ("directions", "intensity", "probe_sd", "laue")
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
            good &= bool(
                np.isfinite(p.intensity).all() and (p.intensity >= 0).all() and (p.intensity < 1).all()
            )
        if not good:
            raise UserError(f"response table {file}: its arrays do not fit together")


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array

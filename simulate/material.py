"""Materials: a crystal from a CIF file or from ASE, its thermal displacements, and its symmetry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate.resources import resource
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from ase import Atoms

_DENSITY_TOLERANCE = 0.02
_AMU_PER_A3_IN_G_CM3 = 1.66053907


@dataclass(frozen=True)
class Material:
    """A crystalline phase.

    `structure` is the path of a CIF file (read when first needed) or an `ase.Atoms` cell.
    `rms_displacement_angstrom` gives the root mean square thermal displacement per axis of each element,
    which is abTEM's `sigma`; B = 8 pi^2 u^2. An element that is not named there is an error when atoms are
    displaced. With `expected_density_g_cm3` the density of the cell must agree within 2 %.
    """

    name: str
    structure: Any = field(repr=False)
    rms_displacement_angstrom: Mapping[str, float] = field(default_factory=dict)
    expected_density_g_cm3: float | None = None
    source: str = ""

    @classmethod
    def named(cls, name: str) -> Material:
        """A shipped material; UserError lists the names there are."""
        shipped = shipped_materials()
        if name not in shipped:
            raise UserError(f"material {name!r} is not shipped; there are: {', '.join(shipped)}")
        entry = dict(shipped[name])
        return cls(name=name, structure=resource("materials", entry.pop("cif")), **entry)

    @classmethod
    def from_cif(
        cls,
        path: str | Path,
        rms_displacement_angstrom: Mapping[str, float],
        name: str | None = None,
        expected_density_g_cm3: float | None = None,
        source: str = "",
    ) -> Material:
        """A user's CIF. UserError if the file is missing, or (when the cell is read) if it is no CIF."""
        path = Path(path).expanduser()
        if not path.is_file():
            raise UserError(f"no CIF file {path}")
        return cls(name or path.stem, path, dict(rms_displacement_angstrom), expected_density_g_cm3, source)

    @cached_property
    def cell(self) -> Atoms:
        """The unit cell as `ase.Atoms` at rest, Å, periodic."""
        atoms = self.structure.copy() if hasattr(self.structure, "get_positions") else self._read_cif()
        atoms.pbc = True
        if atoms.cell.rank < 3 or len(atoms) == 0:
            raise UserError(f"material {self.name!r} has no three-dimensional unit cell with atoms")
        self._check_density(atoms)
        return atoms

    def _read_cif(self) -> Atoms:
        if not Path(self.structure).is_file():
            raise UserError(f"material {self.name!r}: no CIF file {self.structure}")
        try:
            return require("ase.io", extra="simulate").read(self.structure, format="cif")
        except Exception as error:  # ASE raises many kinds; the user needs to know which file
            raise UserError(
                f"material {self.name!r}: {self.structure} is no readable CIF ({error})"
            ) from error

    def _check_density(self, atoms: Atoms) -> None:
        expected = self.expected_density_g_cm3
        found = _AMU_PER_A3_IN_G_CM3 * atoms.get_masses().sum() / atoms.get_volume()
        if expected is not None and abs(found / expected - 1) > _DENSITY_TOLERANCE:
            raise UserError(
                f"material {self.name!r}: the cell has {found:.3f} g/cm3, "
                f"expected_density_g_cm3 = {expected:g} (accepted within {100 * _DENSITY_TOLERANCE:g} %)"
            )

    @property
    def density_g_cm3(self) -> float:
        return float(_AMU_PER_A3_IN_G_CM3 * self.cell.get_masses().sum() / self.cell.get_volume())

    @property
    def atoms_per_nm3(self) -> float:
        return 1e3 * len(self.cell) / self.cell.get_volume()

    @property
    def element_densities_per_nm3(self) -> dict[str, float]:
        """Atoms per nm^3 of each element."""
        symbols, counts = np.unique(self.cell.get_chemical_symbols(), return_counts=True)
        volume_nm3 = 1e-3 * self.cell.get_volume()
        return {str(s): float(c / volume_nm3) for s, c in zip(symbols, counts, strict=True)}

    @property
    def record(self) -> dict[str, Any]:
        """The crystal as plain JSON data, Å: what a response table that was made with it keeps."""
        return {
            "numbers": self.cell.numbers.tolist(),
            "cell_angstrom": np.asarray(self.cell.cell.array).round(6).tolist(),
            "positions_angstrom": self.cell.positions.round(6).tolist(),
            "rms_displacement_angstrom": dict(self.rms_displacement_angstrom),
        }

    def sigma_angstrom(self, numbers: np.ndarray) -> np.ndarray:
        """Displacement per axis in Å for atomic numbers (n,): (n,). UserError for an element not given."""
        from ase.data import chemical_symbols

        table = np.full(len(chemical_symbols), np.nan)
        for symbol, sigma in self.rms_displacement_angstrom.items():
            if symbol not in chemical_symbols or not 0 <= sigma < 1:
                raise UserError(
                    f"material {self.name!r}: rms_displacement_angstrom.{symbol} = {sigma} "
                    "is not an element's displacement between 0 and 1 Å"
                )
            table[chemical_symbols.index(symbol)] = sigma
        missing = sorted({chemical_symbols[z] for z in np.unique(numbers) if np.isnan(table[z])})
        if missing:
            raise UserError(f"material {self.name!r}: rms_displacement_angstrom lacks {', '.join(missing)}")
        return table[numbers]

    def rotations(self) -> np.ndarray:
        """Point group of the crystal: (g, 3, 3) Cartesian operations (proper and improper), float64."""
        return _point_group(self.cell)

    def laue_rotations(self) -> np.ndarray:
        """Laue group: the point group with inversion added, (g, 3, 3)."""
        return with_inversion(self.rotations())


def shipped_materials() -> dict[str, dict[str, Any]]:
    """The table of datasets/materials/materials.toml."""
    return tomllib.loads(resource("materials", "materials.toml").read_text())


def with_inversion(rotations: np.ndarray) -> np.ndarray:
    """The group and its inverted operations, each once: (g, 3, 3) -> (g or 2 g, 3, 3)."""
    if any(np.allclose(r, -np.eye(3), atol=1e-6) for r in rotations):
        return rotations
    return np.concatenate([rotations, -rotations])


def _point_group(cell: Atoms, tolerance_angstrom: float = 0.02) -> np.ndarray:
    """Rotations that map the lattice, and with some translation the basis, onto itself."""
    lattice = np.asarray(cell.cell.array)
    fractional, numbers = cell.get_scaled_positions(), cell.numbers
    found = [
        w for w in _lattice_rotations(lattice, tolerance_angstrom)
        if _maps_basis(w, fractional, numbers, lattice, tolerance_angstrom)
    ]  # fmt: skip
    # Fractional rows transform as f -> f w, Cartesian columns as r -> R r.
    return np.array([(np.linalg.inv(lattice) @ w @ lattice).T for w in found])


def _lattice_rotations(lattice: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """Integer matrices whose rows are lattice vectors with the lengths and angles of the cell's own."""
    reach = np.arange(-3, 4)
    integers = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = integers @ lattice
    length = np.linalg.norm(vectors, axis=1)
    gram = lattice @ lattice.T
    bound = tolerance * np.linalg.norm(lattice, axis=1).max()
    rows = [np.flatnonzero(abs(length - np.sqrt(gram[k, k])) < tolerance) for k in range(3)]
    return [
        integers[[i, j, k]]
        for i in rows[0]
        for j in rows[1]
        if abs(vectors[i] @ vectors[j] - gram[0, 1]) < bound
        for k in rows[2]
        if abs(vectors[i] @ vectors[k] - gram[0, 2]) < bound
        and abs(vectors[j] @ vectors[k] - gram[1, 2]) < bound
    ]


def _maps_basis(
    w: np.ndarray, fractional: np.ndarray, numbers: np.ndarray, lattice: np.ndarray, tolerance: float
) -> bool:
    kinds, counts = np.unique(numbers, return_counts=True)
    rarest = np.flatnonzero(numbers == kinds[counts.argmin()])
    image = fractional @ w
    for target in rarest:
        moved = image + fractional[target] - image[rarest[0]]
        gap = moved[:, None] - fractional[None]
        distance = np.linalg.norm((gap - gap.round()) @ lattice, axis=-1)
        distance[numbers[:, None] != numbers[None]] = np.inf
        if (distance.min(axis=1) < tolerance).all():
            return True
    return False

"""HeteroAggregate: an aggregate of spheres, ellipsoids or faceted crystals as a frozen record of arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .bodies.bodies import extents, make_bodies, second_moments
from .bodies.contacts import body_pairs
from .bodies.kernels import Bodies
from .bodies.polytope import Polytope
from .contacts import CONTACT_TOLERANCE, contact_pairs
from .errors import UserError
from .rotations import multiply, rotation_matrices

_COLUMNS: dict[str, tuple[np.dtype | type, tuple[int, ...]]] = {  # name -> (dtype, trailing shape)
    "centres": (np.float64, (3,)),
    "radii": (np.float64, ()),
    "species": (np.int64, ()),
    "cluster": (np.int64, ()),
    "orientations": (np.float64, (4,)),
    "phase": (np.int64, ()),
    "shape": (np.dtype("<U16"), ()),
    "semi_axes": (np.float64, (3,)),
}


@dataclass(frozen=True, eq=False)
class HeteroAggregate:
    """n particles in the laboratory frame (right-handed, beam along +z), lengths in nm; arrays are read-only.

    centres (n, 3) float64; radii (n,) float64, volume-equivalent; species (n,) int64, an index into
    `species_names`; cluster (n,) int64, the primary cluster; orientations (n, 4) float64, unit quaternions x,
    y, z, w, active, crystal to laboratory; phase (n,) int64, an index into `phase_names`; shape (n,)
    "sphere", "ellipsoid" or "polytope"; semi_axes (n, 3) float64 along x, y, z of the crystal frame, of
    ellipsoids (others repeat the radius); polytopes: the facets of each phase's crystals, or None.
    """

    centres: np.ndarray
    radii: np.ndarray
    species: np.ndarray
    cluster: np.ndarray
    orientations: np.ndarray
    phase: np.ndarray
    species_names: tuple[str, ...]
    phase_names: tuple[str, ...]
    shape: np.ndarray = field(default=None)  # type: ignore[arg-type]
    semi_axes: np.ndarray = field(default=None)  # type: ignore[arg-type]
    polytopes: tuple[Polytope | None, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.radii)
        if self.shape is None:
            object.__setattr__(self, "shape", np.full(n, "sphere", "<U16"))
        if self.semi_axes is None:
            object.__setattr__(
                self, "semi_axes", np.repeat(np.asarray(self.radii, float)[:, None], 3, axis=1)
            )
        for name, (dtype, trailing) in _COLUMNS.items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), dtype, (n, *trailing)))
        object.__setattr__(self, "species_names", tuple(self.species_names))
        object.__setattr__(self, "phase_names", tuple(self.phase_names))
        self._check_values()

    @classmethod
    def of_own_arrays(
        cls,
        centres: np.ndarray,
        radii: np.ndarray,
        species: np.ndarray,
        cluster: np.ndarray,
        orientations: np.ndarray,
        phase: np.ndarray,
        species_names: tuple[str, ...],
        phase_names: tuple[str, ...],
    ) -> HeteroAggregate:
        """Spheres from arrays of the right types that nobody else holds: neither copied nor checked.

        For the sampler, which makes thousands of aggregates per second.
        """
        aggregate = object.__new__(cls)
        fields = aggregate.__dict__
        fields.update(centres=centres, radii=radii, species=species, cluster=cluster)
        fields.update(orientations=orientations, phase=phase)
        fields["shape"] = np.full(len(radii), "sphere", "<U16")
        fields["semi_axes"] = radii.repeat(3).reshape(-1, 3)
        for array in fields.values():
            array.setflags(write=False)
        fields.update(species_names=species_names, phase_names=phase_names, polytopes=())
        fields["spherical"] = True  # known without looking
        return aggregate

    def _check_values(self) -> None:
        if len(self) == 0:
            raise UserError("an aggregate needs at least one particle")
        if not self.radii.min() > 0:
            k = int(np.argmin(self.radii))
            raise UserError(f"particle {k}: radius {self.radii[k]:g} nm must be positive")
        for name, names in (("species", self.species_names), ("phase", self.phase_names)):
            values = getattr(self, name)
            if values.min() < 0 or values.max() >= len(names):
                raise UserError(
                    f"{name} must be indices into {names}, found {values.min()} to {values.max()}"
                )
        if not self.spherical:
            self._check_shapes()

    def _check_shapes(self) -> None:
        unknown = sorted(set(self.shape.tolist()) - {"sphere", "ellipsoid", "polytope"})
        if unknown:
            raise UserError(f"shape {unknown[0]!r} is unknown; accepted: sphere, ellipsoid, polytope")
        if not self.semi_axes.min() > 0:
            raise UserError(f"semi_axes of ellipsoids must be positive, not {self.semi_axes.min():g} nm")
        volumes = np.where(self.shape == "ellipsoid", self.semi_axes.prod(axis=1), self.radii**3)
        wrong = np.abs(volumes / self.radii**3 - 1) > 1e-3
        if wrong.any():
            k = int(np.argmax(wrong))
            raise UserError(
                f"particle {k}: radius {self.radii[k]:g} nm must be volume-equivalent to its semi_axes, "
                f"{np.cbrt(volumes[k]):g} nm"
            )
        for phase in np.unique(self.phase[self.shape == "polytope"]):
            if phase >= len(self.polytopes) or self.polytopes[phase] is None:
                raise UserError(f"polytopes of phase {self.phase_names[phase]!r} have no facets")

    def __len__(self) -> int:
        return len(self.radii)

    @cached_property
    def spherical(self) -> bool:
        """Whether all particles are spheres."""
        return bool((self.shape == "sphere").all())

    @cached_property
    def bodies(self) -> Bodies:
        """The particles as convex bodies about their centres, in the laboratory frame."""
        axes = np.where((self.shape == "ellipsoid")[:, None], self.semi_axes, self.radii[:, None])
        return make_bodies(axes, self.radii, self.orientations, self._polytope_of_each)

    @property
    def facets(self) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Of each polytope its facets about its centre: normals (f, 3) and distances (f,) nm; else None."""
        turns = rotation_matrices(self.orientations)
        return [
            None if one is None else (one.normals @ turns[k].T, self.radii[k] * one.distances)
            for k, one in enumerate(self._polytope_of_each)
        ]

    @property
    def _polytope_of_each(self) -> list[Polytope | None]:
        return [
            self.polytopes[phase] if shape == "polytope" else None
            for shape, phase in zip(self.shape, self.phase, strict=True)
        ]

    @property
    def circumradii(self) -> np.ndarray:
        """(n,) nm: the radius of the ball about each particle's centre that just holds it."""
        return self.radii if self.spherical else self.bodies.circumradii

    @property
    def extents(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest x, y, z (n, 3) nm of each particle about its own centre."""
        if self.spherical:
            reach = np.broadcast_to(self.radii[:, None], (len(self), 3))
            return -reach, reach
        return extents(self.bodies)

    @property
    def second_moments(self) -> np.ndarray:
        """(n, 3, 3) nm²: mean of x x^T over each particle about its own centre; r²/5 times 1 for spheres."""
        return second_moments(self.bodies, self.radii, self.orientations, self._polytope_of_each)

    @property
    def masses(self) -> np.ndarray:
        """(n,) r³ in nm³: masses for equal density, up to a factor."""
        return self.radii**3

    @property
    def centre_of_mass(self) -> np.ndarray:
        """(3,) nm, for equal density."""
        return self.masses @ self.centres / self.masses.sum()

    @property
    def radius_of_gyration(self) -> float:
        """nm; Rg² = sum r³ (|R - Rc|² + g²) / sum r³, equal density; g² is 3/5 r² for spheres, else the
        squared radius of gyration of the particle itself.
        """
        masses = self.masses
        total = masses.sum()
        squares = np.sum((self.centres - masses @ self.centres / total) ** 2, axis=1)
        own = 0.6 * self.radii**2
        if not self.spherical:
            own = np.trace(self.second_moments, axis1=1, axis2=2)
        return float(np.sqrt(masses @ (squares + own) / total))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) nm of the box around all particles."""
        low, high = self.extents
        return (self.centres + low).min(axis=0), (self.centres + high).max(axis=0)

    def contacts(self, tolerance: float = CONTACT_TOLERANCE) -> np.ndarray:
        """(m, 2) int64 pairs i < j with d_ij <= (r_i + r_j)(1 + tolerance), sorted.

        Of other bodies those that touch or overlap once they are 1 + tolerance times as large.
        """
        if not self.spherical:
            return body_pairs(self.bodies, self.centres, tolerance)
        return contact_pairs(self.centres, self.radii, tolerance)

    def rotated(self, quaternion: np.ndarray) -> HeteroAggregate:
        """Turned about the origin by a unit quaternion (x, y, z, w), the crystals with it."""
        q = np.asarray(quaternion, dtype=float)
        if q.shape != (4,) or not abs(np.linalg.norm(q) - 1) < 1e-6:
            raise UserError(f"a rotation is a unit quaternion (x, y, z, w), not {quaternion}")
        q = q / np.linalg.norm(q)
        turned = multiply(q, self.orientations)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        return replace(self, centres=self.centres @ rotation_matrices(q).T, orientations=turned)

    def translated(self, vector: np.ndarray) -> HeteroAggregate:
        """Shifted by `vector` (3,) nm."""
        return self.moved(self.centres + np.asarray(vector, dtype=float))

    def moved(self, centres: np.ndarray) -> HeteroAggregate:
        """The same particles with other centres (n, 3) nm."""
        return replace(self, centres=centres)

    def to_extxyz(self, path: str | os.PathLike) -> None:
        """Write an extended XYZ file, as `stochgeom.extxyz.write` does."""
        from .extxyz import write

        write(self, path)

    def to_vtk(self, path: str | os.PathLike) -> None:
        """Write a VTK file (.vtk), as `stochgeom.vtk.write` does."""
        from .vtk import write

        write(self, path)

    @classmethod
    def from_extxyz(cls, path: str | os.PathLike, rng: np.random.Generator | None = None) -> HeteroAggregate:
        """Read an extended XYZ file, as `stochgeom.extxyz.read` does."""
        from .extxyz import read

        return read(path, rng)


def _checked(name: str, values: np.ndarray, dtype: np.dtype | type, shape: tuple[int, ...]) -> np.ndarray:
    """A read-only copy of the right shape and type."""
    try:
        array = np.array(values, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} of an aggregate must be numbers of shape {shape}: {error}") from error
    if array.shape != shape:
        raise UserError(f"{name} of an aggregate must have shape {shape}, not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"{name} of an aggregate must be finite")
    array.setflags(write=False)
    return array

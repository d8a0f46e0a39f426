"""Lamellae small enough for tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from simulate.lamella.orientations import CrystalOrientation
from simulate.lamella.scene import LamellaPhase, LamellaScene
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from stochgeom.projection import Field
from stochgeom.textures import Texture

NAMES = ("anatase", "gamma-WO3")
SHIPPED = {name: Material.named(name) for name in NAMES}
ANNULUS = Microscope(detectors=(Detector(inner_mrad=50, outer_mrad=90),))


def texture_of(
    phase: object,
    pixel_size_nm: float = 1.0,
    model: str = "lamellae",
    periodic: bool = True,
    elements: Mapping[str, NDArray] | None = None,
) -> Texture:
    """A texture of any pixels."""
    return Texture(np.array(phase, np.uint8), pixel_size_nm, model, periodic, {}, dict(elements or {}))


def lamella_of(
    texture: Texture,
    thickness_nm: float = 4.0,
    names: tuple[str, str] = NAMES,
    field: Field | None = None,
    seed: int = 1,
    atoms: bool = True,
    **orientation: object,
) -> LamellaScene:
    """A lamella of shipped materials, all crystals lying in the same manner."""
    lie = CrystalOrientation.model_validate(orientation)
    phases = [
        LamellaPhase(name, SHIPPED[name] if atoms and name != "vacuum" else None, lie) for name in names
    ]
    seeds = SeedSequence(seed, spawn_key=(0, 2)), SeedSequence(seed, spawn_key=(0, 3))
    return LamellaScene(texture, thickness_nm, (phases[0], phases[1]), field or texture.field, *seeds)


HALVES = texture_of([[0, 0, 1, 1]] * 4, 1.5)
"""6 nm by 6 nm, the left half of phase 0."""

"""Zone axes added to a response table: directions where a lookup between calibrated ones would be far off.

Directions of a table lie 55 to 75 mrad apart, and what lies between them is predicted from lattice planes. On
a zone axis, where many of them meet, the prediction for WO3 is half as high again as the truth. Crystals at
random hardly ever come there; a lamella that is turned to a zone axis always is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from simulate.calibration.settings import CalibrationSettings
from simulate.calibration.slabs import measure_direction
from simulate.engines.tables import PhaseResponse, ResponseTable
from simulate.lattice_planes import plane_families
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.table_materials import difference, made_with
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.lamella.recipe import LamellaRecipe

Axis = tuple[int, int, int]
AXES_STAGE = 3
"""In the seeds of a calibration: the rounds before it take 0 to 2."""


def axis_direction(material: Material, axis: Axis) -> NDArray[np.float64]:
    """Unit vector (3,) of u a + v b + w c in the crystal's Cartesian frame."""
    vector = np.array(axis, float) @ np.asarray(material.cell.cell.array)
    return vector / np.linalg.norm(vector)


def parsed_axis(text: str) -> Axis:
    """An axis from words, "0,0,1". UserError if it is none."""
    try:
        u, v, w = (int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--axis {text}: should be three whole numbers, for example 0,0,1") from None
    if (u, v, w) == (0, 0, 0):
        raise UserError(f"--axis {text}: is no direction")
    return u, v, w


def lamella_axes(recipe: LamellaRecipe) -> tuple[dict[str, tuple[Axis, ...]], dict[str, Material]]:
    """Zone axes along which the crystals of a recipe lie, by material, and these materials.

    UserError if there are none.
    """
    from simulate.realise import material_of

    axes: dict[str, tuple[Axis, ...]] = {}
    for name, lie in zip(recipe.lamella.phases, recipe.lamella.orientations, strict=True):
        if lie.zone_axis is not None:
            axes[name] = (*axes.get(name, ()), lie.zone_axis)
    if not axes:
        raise UserError(f"recipe {recipe.name}: lamella.orientations: none has a zone_axis")
    return axes, {name: material_of(recipe, name) for name in axes}


def check_zone_axes(recipe: LamellaRecipe, table: ResponseTable) -> None:
    """UserError where crystals lie along a zone axis that the table knows by prediction only.

    Half the convergence is near enough: the beam's own cone is wider.
    """
    axes = [(name, lie) for name, lie in zip(recipe.lamella.phases, recipe.lamella.orientations, strict=True)]
    if all(lie.zone_axis is None for _, lie in axes):
        return
    materials = lamella_axes(recipe)[1]
    near = recipe.microscope.convergence_mrad / 2
    for name, lie in axes:
        if lie.zone_axis is None or lie.mistilt_mrad > recipe.microscope.convergence_mrad:
            continue
        away = angle_mrad(table.phase(name), axis_direction(materials[name], lie.zone_axis))
        if away > near:
            raise UserError(
                f"lamella.orientations: zone_axis = {list(lie.zone_axis)} of {name} lies {away:.0f} mrad "
                f"from the nearest direction of the response table, at most {near:g} are accepted: take a "
                "table that has it (heterostem calibrate --extend)"
            )


def angle_mrad(response: PhaseResponse, direction: NDArray[np.float64]) -> float:
    """Angle between a direction (3,) and the nearest that was measured, symmetry included."""
    images = response.laue @ direction
    nearest = np.abs(response.directions @ images.T).max()
    return float(1e3 * np.arccos(min(1.0, nearest)))


def with_zone_axes(
    table: ResponseTable,
    axes: Mapping[str, Sequence[Axis]],
    materials: Mapping[str, Material],
    probes: int = 4,
    seed: int = 1,
) -> ResponseTable:
    """The table with these axes of its phases measured too, and what lies between fitted anew.

    They are measured as the table's own near zone axes (`CalibrationSettings.fine`), by `probes` probes each.
    `materials`: the crystals of the phases, those that the table was made with. UserError for a phase that
    the table lacks.
    """
    for phase in axes:
        made = made_with(table, phase)
        differs = None if made is None else difference(made, materials[phase].record)
        if differs is not None:
            raise UserError(f"the response table was made with another {phase}: {differs}")
    settings = _settings_of(table, tuple(materials.values()), probes, seed)
    responses = dict(table.phase_responses)
    for number, (phase, wanted) in enumerate(axes.items()):
        known, material = table.phase(phase), materials[phase]
        if not wanted:
            continue
        directions = np.array([axis_direction(material, axis) for axis in wanted])
        seeds = [SeedSequence(seed, spawn_key=(number, AXES_STAGE, k)) for k in range(len(wanted))]
        found = [
            measure_direction(settings.fine, material, d, s) for d, s in zip(directions, seeds, strict=True)
        ]
        dark = np.zeros((len(found), 1, len(table.channel_names)))
        responses[phase] = PhaseResponse.fitted(
            directions=np.concatenate([known.directions, directions]),
            intensity=np.concatenate([known.intensity, np.concatenate([dark, np.stack(found)], axis=1)]),
            noise=known.noise,
            laue=known.laue,
            broadening=known.broadening,
            planes=plane_families(material),
            convergence_mrad=settings.microscope.convergence_mrad,
        )
    return replace(table, phase_responses=responses, metadata=_metadata(table, axes, probes, seed))


def _settings_of(
    table: ResponseTable, materials: tuple[Material, ...], probes: int, seed: int
) -> CalibrationSettings:
    """The table's own conditions."""
    made = table.metadata
    try:
        microscope = Microscope(
            energy_ev=made["energy_ev"],
            convergence_mrad=made["convergence_mrad"],
            detectors=tuple(Detector(**d) for d in made["detectors"]),
        )
        return CalibrationSettings(
            materials=materials,
            microscope=microscope,
            thicknesses_nm=tuple(float(t) for t in table.thickness_nm[1:]),
            probes=probes,
            crossover_nm=made["crossover_nm"],
            margin_angstrom=made["margin_angstrom"],
            band_mrad=made["band_mrad"],
            slice_thickness_angstrom=made["slice_thickness_angstrom"],
            fine_band_mrad=made["fine_band_mrad"],
            seed=seed,
        )
    except KeyError as error:
        raise UserError(f"the response table does not say its {error.args[0]}; make a new one") from None


def _metadata(
    table: ResponseTable, axes: Mapping[str, Sequence[Axis]], probes: int, seed: int
) -> dict[str, Any]:
    kept = dict(table.metadata)
    more = {phase: [list(axis) for axis in wanted] for phase, wanted in axes.items() if wanted}
    return kept | {"zone_axes": [*kept.get("zone_axes", []), {"axes": more, "probes": probes, "seed": seed}]}

"""Sample i of a recipe of lamellae: texture, thickness, scene, image. A pure function of (recipe, seed, i).

Stages 0 and 1 draw the texture as for recipes without a lamella, and the thickness after the texture's laws;
stage 2 the crystals' orientations and offsets, stage 3 the displacements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.engines.base import BlockResult
from simulate.lamella.recipe import THICKNESS_COLUMN, LamellaRecipe
from simulate.lamella.scene import LamellaPhase, LamellaScene
from simulate.laws import value_at
from simulate.realise import CRYSTALS, DISPLACEMENTS, material_of, seed_of
from simulate.textures.columns import parameter_columns, truth_columns
from simulate.textures.realise import draw_texture
from stochgeom.projection import Field
from stochgeom.textures import Texture, TextureParameters

if TYPE_CHECKING:
    from simulate.material import Material


@dataclass(frozen=True)
class LamellaRealisation:
    """Sample `index` without its image. `phase` (y, x) uint8 is that of the pixels' centres; the scene's
    texture may have finer pixels.
    """

    index: int
    parameters: TextureParameters
    texture: Texture
    phase: NDArray[np.uint8]
    thickness_nm: float
    scene: LamellaScene
    field: Field
    draws: int

    @property
    def material_nm(self) -> NDArray[np.float64]:
        """Thickness (y, x) of material at the pixels' centres."""
        full = np.array([0.0 if phase.empty else self.thickness_nm for phase in self.scene.phases])
        return full[self.phase]


@dataclass(frozen=True)
class LamellaSample:
    """Sample `index` as a corpus stores it: the rows of its arrays."""

    index: int
    image: NDArray[np.float32]
    phase: NDArray[np.uint8]
    parameters: NDArray[np.float64]
    descriptors: NDArray[np.float64]
    orientations: NDArray[np.float64]
    pixel_size_nm: float
    draws: int
    standard_error: NDArray[np.float32] | None = None


def realise_lamella(recipe: LamellaRecipe, index: int) -> LamellaRealisation:
    """Texture, thickness and scene of sample `index`. UserError if no draw is feasible."""
    settings, more = recipe.lamella, recipe.thickness_keys
    (parameters, texture, rest), draws = draw_texture(recipe, index, more, settings.subpixels)
    thickness = value_at(settings.thickness_nm, float(rest[0]) if more else 0.5)
    field = Field(parameters.shape, parameters.pixel_size_nm)
    first, second = (
        LamellaPhase(name, _material(recipe, place), settings.orientations[place])
        for place, name in enumerate(settings.phases)
    )
    scene = LamellaScene(
        texture=texture,
        thickness_nm=thickness,
        phases=(first, second),
        field=field,
        crystals=seed_of(recipe, index, CRYSTALS),
        displacements=seed_of(recipe, index, DISPLACEMENTS),
    )
    middle = settings.subpixels // 2
    phase = np.ascontiguousarray(texture.phase[middle :: settings.subpixels, middle :: settings.subpixels])
    return LamellaRealisation(index, parameters, texture, phase, thickness, scene, field, draws)


def _material(recipe: LamellaRecipe, place: int) -> Material | None:
    """Material of a phase; None where none is needed."""
    name, lie = recipe.lamella.phases[place], recipe.lamella.orientations[place]
    if name not in recipe.phase_names or not (recipe.makes_atoms or lie.zone_axis is not None):
        return None
    return material_of(recipe, name)


def lamella_sample(recipe: LamellaRecipe, made: LamellaRealisation, image: BlockResult) -> LamellaSample:
    """The rows of a corpus for a realised sample and its image (channel, y, x)."""
    columns, truth = parameter_columns(made.parameters), truth_columns(made.texture.truth)
    # Of what the corpus holds, the phase of the pixels' centres.
    share = int(np.count_nonzero(made.phase)) / made.phase.size
    truth |= {"volume_fraction": share, THICKNESS_COLUMN: made.thickness_nm}
    return LamellaSample(
        index=made.index,
        image=image.intensity,
        phase=made.phase,
        parameters=np.array([columns[name] for name in recipe.parameter_names], np.float64),
        descriptors=np.array([truth[name] for name in recipe.descriptor_names], np.float64),
        orientations=orientation_rows(made.scene),
        pixel_size_nm=made.field.pixel_size_nm,
        draws=made.draws,
        standard_error=image.standard_error,
    )


def orientation_rows(scene: LamellaScene) -> NDArray[np.float64]:
    """Quaternion (phase, 4) of each phase's one crystal; NaN for vacuum, and where each grain has its own."""
    found = np.full((2, 4), np.nan)
    for (phase, _), quaternion in zip(scene.crystal_keys, scene.crystallites.orientations, strict=True):
        if not scene.phases[phase].orientation.grains:
            found[phase] = quaternion
    return found

"""What the dataset card and `heterostem info` say of a corpus of lamellae."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulate.lamella.arrays import ORIENTATIONS, QUATERNION
from simulate.lamella.scene import NOTHING
from simulate.laws import describe_law

if TYPE_CHECKING:
    from simulate.lamella.orientations import CrystalOrientation
    from simulate.lamella.recipe import LamellaRecipe

COLUMNS_IN_WORDS = (
    f"`{ORIENTATIONS}`: {', '.join(QUATERNION)} of each phase's crystal, active, from the crystal's "
    "Cartesian frame to the image's (x along columns, y along rows, the beam along +z). The bits are the "
    "phases of the pixels' centres."
)


def law_rows(recipe: LamellaRecipe) -> list[tuple[str, str]]:
    """Phases, thickness and orientations in words."""
    settings = recipe.lamella
    rows = [("lamella thickness_nm", describe_law(settings.thickness_nm))]
    for place, (name, lie) in enumerate(zip(settings.phases, settings.orientations, strict=True)):
        words = name if name == NOTHING else f"{name}, {_in_words(lie)}"
        rows.append((f"lamella phase {place}", words))
    if settings.subpixels > 1:
        rows.append(("lamella subpixels", f"{settings.subpixels} along the side of a pixel"))
    return rows


def _in_words(lie: CrystalOrientation) -> str:
    crystals = "a crystal per grain" if lie.grains else "one crystal"
    if lie.zone_axis is None:
        return f"{crystals}, orientation at random"
    axis = "".join(f" {index}" for index in lie.zone_axis).strip()
    turn = "any turn about it" if lie.in_plane_degrees is None else f"turned by {lie.in_plane_degrees:g}°"
    tilt = f", tilted by {lie.mistilt_mrad:g} mrad (rms)" if lie.mistilt_mrad else ""
    return f"{crystals}, [{axis}] along the beam, {turn}{tilt}"

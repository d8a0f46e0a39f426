"""What the dataset card and `heterostem info` say of a corpus of scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulate.corpus.scene_truth import COLUMN_FIELDS, WALL_FIELDS, WALL_KINDS
from simulate.laws import describe_law
from simulate.micrographs.arrays import COLUMNS, DOMAIN, PHASE, WALLS

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from simulate.micrographs.recipe import MicrographRecipe


def law_rows(recipe: MicrographRecipe) -> list[tuple[str, str]]:
    """Model, laws and field in words."""
    return [*recipe.laws.in_words(), ("field pixel_size_nm", describe_law(recipe.field.pixel_size_nm))]


def sample_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """Pixel size and truth over the finished samples; nothing where there are none."""
    from simulate.corpus.card import descriptor_rows

    return descriptor_rows(corpus, lambda _, values: bool(values.any()))


def columns_in_words(corpus: Corpus) -> str:
    """What the truth is, array by array."""
    names = corpus.attributes

    def numbered(key: str) -> str:
        return ", ".join(f"{k} {name}" for k, name in enumerate(names[key]))

    orders = ", ".join(
        f"{360 / order:g}° in {name}"
        for name, order in zip(names["phase_names"], names["rotation_orders"], strict=True)
    )
    return (
        "`parameters` are what was asked of the model (`asked_...`), `descriptors` what is true of a "
        "micrograph, within its field.\n\n"
        "Positions are in nm from the centre of the field, x to the right and y downwards; pixel (j, i) has "
        "its centre at x = (i - (nx - 1) / 2) times the pixel size, y likewise. Atoms are at rest in the "
        "truth, and displaced by heat in the images.\n\n"
        f"`{PHASE}`: {numbered('phase_names')}. `{DOMAIN}`: {numbered('domain_names')}. 255: none.\n\n"
        f"`{COLUMNS}`, one row for each atomic column: {', '.join(f'`{name}`' for name in COLUMN_FIELDS)}. "
        f"Kinds: {numbered('kind_names')}. Rotations are from x towards y, modulo {orders}; the polarization "
        "is the displacement of the polar sublattice in projection; NaN where there is none.\n\n"
        f"`{WALLS}`, one row for each straight piece: {', '.join(f'`{name}`' for name in WALL_FIELDS)}. "
        f"Kinds: {', '.join(f'{k} {name}' for k, name in enumerate(WALL_KINDS))}.\n\n"
        "`simulate.corpus.reader.Corpus.scene_truth` reads a sample's truth."
    )

"""What the dataset card and `heterostem info` say of a corpus of textures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulate.textures.arrays import BITS
from simulate.textures.columns import DOUBLED

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus

IMAGE_FORMATION = (
    "None: the image is the phase map of the texture, 0 the matrix (white) and 1 the second phase (black). A "
    "pixel is of the phase that its centre lies in."
)


def sample_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """Sums over the finished samples; nothing where there are none."""
    from simulate.corpus.card import descriptor_rows

    return descriptor_rows(corpus, lambda name, _: name not in DOUBLED)


def columns_in_words(corpus: Corpus) -> str:
    """What the columns are, and how the bits are read."""
    nx = corpus.recipe.image_shape[1]
    return (
        "`parameters` are what was asked of the model (`asked_...`), `descriptors` what is true of an image. "
        "Orientations are in degrees from +x (columns) towards +y (rows, downwards), 0 to 180; "
        f"`{DOUBLED[0]}` and `{DOUBLED[1]}` are the cosine and sine of their double, which do not jump where "
        "an orientation turns over. NaN where there is none.\n\n"
        f"`{BITS}` read with any Zarr library: `numpy.unpackbits(bits, axis=-1, count={nx})` gives the phase "
        "of every pixel; `simulate.corpus.reader.Corpus` does it on reading."
    )

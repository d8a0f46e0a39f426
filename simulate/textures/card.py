"""What the dataset card and `heterostem info` say of a corpus of textures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    from simulate.corpus.card import spread

    done = corpus.indices()
    if len(done) == 0:
        return []
    pixels, draws = (corpus.rows(array)[done] for array in (corpus.pixel_size, corpus.draws))
    truth = corpus.rows(corpus.descriptors)[done]
    rows = [("pixel size", spread(pixels, "nm"))]
    for name, values in zip(corpus.descriptor_names, truth.T, strict=True):
        defined = values[np.isfinite(values)]
        if name not in DOUBLED and len(defined):
            unit = corpus.attributes["units"].get(name, "1")
            rows.append((name, spread(defined, "" if unit == "1" else unit)))
    redrawn = 1 - len(draws) / draws.sum(dtype=float)
    again = f"{100 * redrawn:.1f} % of the parameter draws were infeasible and replaced"
    return [*rows, ("drawn again", again)]


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

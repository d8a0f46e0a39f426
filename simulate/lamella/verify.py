"""Checks what only corpora of lamellae hold: thickness and orientations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulate.lamella.arrays import ORIENTATIONS
from simulate.lamella.recipe import THICKNESS_COLUMN, LamellaRecipe
from simulate.lamella.scene import NOTHING

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus


def check_lamellae(corpus: Corpus, recipe: LamellaRecipe, rows: slice) -> list[str]:
    """What is wrong with the lamellae of some samples, as lines."""
    thickness = np.asarray(corpus.descriptors[rows])[:, corpus.descriptor_names.index(THICKNESS_COLUMN)]
    lengths = np.linalg.norm(np.asarray(corpus.array(ORIENTATIONS)[rows]), axis=2)
    single = [
        name != NOTHING and not lie.grains
        for name, lie in zip(recipe.lamella.phases, recipe.lamella.orientations, strict=True)
    ]
    expected = np.broadcast_to(np.where(single, 1.0, np.nan), lengths.shape)
    checks = {
        f"descriptors: {THICKNESS_COLUMN} is not positive": bool((thickness > 0).all()),
        f"{ORIENTATIONS}: no unit quaternions": np.allclose(lengths, expected, atol=1e-9, equal_nan=True),
    }
    return [problem for problem, good in checks.items() if not good]

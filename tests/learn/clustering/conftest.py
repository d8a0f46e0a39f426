import pytest

pytest.importorskip("sklearn")

from learn.micrographs.columns import find_columns
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.windows import cut_patches


@pytest.fixture(scope="session")
def composite_patches():
    """Patches of 16 x 16 pixels about the columns of a drawn composite of two phases."""
    micrograph = draw_micrograph("composite", 200, seed=1, noise=2000)
    return cut_patches(micrograph, find_columns(micrograph), 16)

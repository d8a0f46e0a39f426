import pytest

pytest.importorskip("torch")

from learn.texture_analysis.texture_set import draw_textures
from stochgeom.textures import LineTextureParameters

SMALL = LineTextureParameters(shape=(40, 36), count=(1, 2), length_nm=(18, 30), thickness_nm=(3, 4), gap_nm=4)


@pytest.fixture(scope="session")
def line_sets():
    """Training and validation images, 40 x 36 pixels."""
    return draw_textures(SMALL, 320, 1, "small lines"), draw_textures(SMALL, 64, 2, "small lines")

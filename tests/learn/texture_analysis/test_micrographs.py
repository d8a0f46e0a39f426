import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from learn.texture_analysis.micrographs import QuantisedImages, phase_shares, recorded_shares
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.recipe import Recipe
from stochgeom.errors import UserError
from stochgeom.textures import LineTextureParameters, sample_texture

LINES = LineTextureParameters(shape=(64, 60), length_nm=(30, 50), thickness_nm=(5, 7), gap_nm=8)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(-5, 5), st.booleans(), st.floats(0.0, 0.3))
def test_phases_come_back_whatever_the_gain_and_the_offset(seed, gain, offset, brighter, noise):
    rng = np.random.default_rng(seed)
    phase = sample_texture(LINES, rng).phase
    contrast = phase if brighter else 1 - phase
    image = gain * (contrast + noise * rng.standard_normal(phase.shape)) + offset
    shares = phase_shares(image, brighter)
    assert shares.dtype == np.float32
    assert 0 <= shares.min() <= shares.max() <= 1
    wrong = np.mean((shares > 0.5) != phase)
    assert wrong < 0.03


def test_noise_adds_little_to_the_rarer_phase():
    rng = np.random.default_rng(1)
    phase = sample_texture(LINES, rng).phase
    shares = phase_shares(phase + 0.2 * rng.standard_normal(phase.shape))
    assert shares.mean() == pytest.approx(phase.mean(), rel=0.15)


@pytest.mark.parametrize("image", [np.zeros((20, 20)), np.full((20, 20), np.nan)])
def test_images_of_one_grey_are_refused(image):
    with pytest.raises(UserError, match="two phases"):
        phase_shares(image)


def test_quantised_images_read_as_shares():
    images = QuantisedImages(np.array([[[0, 255]], [[51, 102]]], np.uint8))
    assert images.shape == (2, 1, 2)
    np.testing.assert_allclose(images[np.array([1])], [[[0.2, 0.4]]], rtol=1e-6)
    part = images.part(np.array([1]))
    assert part.shape == (1, 1, 2)
    np.testing.assert_array_equal(part[:], images[np.array([1])])


def test_noise_of_images_of_one_phase_is_no_texture(tmp_path):
    recipe = {
        "schema": 1,
        "name": "plates",
        "kind": "texture",
        "samples": 48,
        "texture": {
            "model": "boolean-discs",
            "shape": [32, 32],
            "volume_fraction": 0.05,
            "radii": {"law": "lognormal", "median_nm": 5, "geometric_sd": 1.1},
        },
        "lamella": {"phases": ["gamma-WO3", "anatase"], "thickness_nm": 20},
        "engine": {"name": "response", "coefficients_per_um": {"gamma-WO3": 1.7, "anatase": 0.4}},
        "realism": {"electrons_per_pixel": 5000},
    }
    corpus = Corpus.open(generate(Recipe.from_dict(recipe), tmp_path / "plates", progress=False))
    fractions = corpus.column("volume_fraction")
    empty = fractions == 0
    assert 5 < empty.sum() < 43
    shares = recorded_shares(corpus, np.arange(len(corpus)))[:].mean(axis=(1, 2))
    assert (shares[empty] == 0).all()
    assert (np.abs(shares - fractions)[fractions > 0.05] < 0.05).all()

"""Manifolds, traversals, densities and their charts, on patches whose numbers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from learn.patch_analysis.density import density_of_one, density_of_two, levels_holding, span
from learn.patch_analysis.latent_charts import distributions_figure, manifold_figure, traversals_figure
from learn.patch_analysis.manifold import latent_manifold, traversals
from learn.patch_analysis.patch_charts import history_figure, reconstructions_figure
from learn.plots import png, styled
from stochgeom.errors import UserError

from .dumbbells import DumbbellModel, drawn


@pytest.fixture(scope="module")
def latents():
    return DumbbellModel().encode(drawn()[0]).mean


def test_a_manifold_decodes_what_its_axes_say(latents):
    model = DumbbellModel()
    found = latent_manifold(model, latents, steps=5)
    assert found.images.shape == (5, 5, 1, 20, 20)
    assert found.pair == (0, 1)
    assert np.all(np.diff(found.across) > 0)
    assert np.all(np.diff(found.up) < 0)  # the largest on top
    assert found.across[[0, -1]] == pytest.approx(np.quantile(latents[:, 0], [0.02, 0.98]))
    back = model.encode(found.images.reshape(25, 1, 20, 20)).mean.reshape(5, 5, 2)
    assert back[:, :, 0] == pytest.approx(np.tile(found.across, (5, 1)), abs=0.25)
    assert back[:, :, 1] == pytest.approx(np.tile(found.up[:, None], (1, 5)), abs=0.25)


def test_pairs_may_be_chosen_or_be_single(latents):
    turned = latent_manifold(DumbbellModel(), latents, pair=(1, 0), steps=4)
    assert turned.across[-1] == pytest.approx(np.quantile(latents[:, 1], 0.98))
    row = latent_manifold(DumbbellModel(), latents, pair=(1,), steps=6)
    assert row.images.shape[:2] == (1, 6)
    for pair in ((0, 2), (), (0, 1, 0)):
        with pytest.raises(UserError, match=r"one or two of 0 to 1"):
            latent_manifold(DumbbellModel(), latents, pair=pair)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 1}, "2 or more"),
        ({"quantiles": (0.9, 0.1)}, "rising"),
        ({"latents": np.zeros(3)}, r"\(n, l\)"),
    ],
)
def test_grids_that_cannot_be_are_refused(latents, change, said):
    with pytest.raises(UserError, match=said):
        latent_manifold(DumbbellModel(), **{"latents": latents, **change})


def test_traversals_change_one_number_at_a_time(latents):
    images, ways = traversals(DumbbellModel(), latents, steps=5)
    assert images.shape == (2, 5, 1, 20, 20)
    back = DumbbellModel().encode(images.reshape(10, 1, 20, 20)).mean.reshape(2, 5, 2)
    for k in range(2):
        assert back[k, :, k] == pytest.approx(ways[k], abs=0.25)
        assert np.ptp(back[k, :, 1 - k]) < 0.3


@given(st.floats(-50, 50), st.floats(0.01, 20), st.integers(0, 1000))
def test_densities_hold_one(centre, width, seed):
    values = centre + width * np.random.default_rng(seed).standard_normal(400)
    grid, density = density_of_one(values)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.05)
    assert grid[0] == pytest.approx(span(values)[0])


def test_contours_hold_their_shares():
    rng = np.random.default_rng(0)
    density = density_of_two(rng.standard_normal(4000), rng.standard_normal(4000), steps=80)
    low, middle, high = levels_holding(density, (0.9, 0.6, 0.3))
    assert low < middle < high
    for level, share in ((low, 0.9), (middle, 0.6), (high, 0.3)):
        assert density[density >= level].sum() / density.sum() == pytest.approx(share, abs=0.01)
    # Two standard normal numbers: the level that holds a share s is (1 - s) of the peak; kernels widen it.
    assert middle / density.max() == pytest.approx(0.4, abs=0.06)


def test_latents_without_spread_have_no_density_but_charts(latents):
    assert density_of_one(np.ones(20)) is None
    assert density_of_two(np.arange(20.0), np.ones(20)) is None
    dead = np.concatenate([latents, np.zeros((len(latents), 1))], axis=1)
    with styled():
        assert len(png(distributions_figure(dead))) > 5000


@pytest.mark.parametrize("size", [1, 2, 7])
def test_charts_of_any_number_of_latents(size):
    rng = np.random.default_rng(size)
    values = rng.standard_normal((300, size)) * np.linspace(1, 0.1, size)
    groups = (rng.integers(-1, 2, 300), ("first", "second"))
    with styled():
        figure = distributions_figure(values, groups)
        shown = min(size, 5)
        assert len(figure.axes) == shown**2
        labels = [axes.get_xlabel() for axes in figure.axes[-shown:]]
        assert labels == [f"z{k + 1}" for k in range(shown)]
        assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["none", "first", "second"]
        png(figure)


def test_pictures_of_grids_and_reconstructions_are_drawn(latents):
    model, patches = DumbbellModel(), drawn(6)[0]
    with styled():
        for steps in (4, 9):
            found = latent_manifold(model, latents, steps=steps)
            axes = manifold_figure(found).axes[0]
            first = axes.get_xticklabels()[0].get_text()
            assert float(first.replace("−", "-")) == pytest.approx(found.across[0], abs=0.006)
            shown = axes.images[0].get_array()
            assert shown.shape == (steps * 21 - 1, steps * 21 - 1)
            assert np.array_equal(shown[21:41, 42:62], found.images[1, 2, 0])
        images, ways = traversals(model, latents, steps=5)
        rows = traversals_figure(images, ways, ["z1", "z2"]).axes[0]
        assert [one.get_text() for one in rows.get_yticklabels()] == ["z1", "z2"]
        assert len(rows.texts) == 10
        made = reconstructions_figure(patches, model.reconstruct(patches), [str(k) for k in range(6)])
        assert len(made.axes) == 18


def test_training_is_drawn_however_its_lines_are_written():
    with styled():
        nested = history_figure(DumbbellModel().history)
        assert [axes.get_title(loc="left") for axes in nested.axes] == ["loss", "kl"]
        flat = history_figure([{"epoch": k, "loss": 2.0, "kl": 1.0, "seconds": 3.0} for k in (1, 2)])
        assert [axes.get_title(loc="left") for axes in flat.axes] == ["loss", "kl"]
        assert history_figure([]) is None

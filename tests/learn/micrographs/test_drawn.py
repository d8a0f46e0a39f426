"""Drawn micrographs: what is said to be true of them shows in their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from learn.micrographs.drawn import BACKGROUND, KINDS, draw_micrograph
from learn.micrographs.patch_truth import wall_distances
from simulate.corpus.scene_truth import WALL_KINDS
from stochgeom.errors import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_bright_and_of_the_region_that_the_maps_say(kind):
    micrograph = draw_micrograph(kind, (200, 260), seed=3, noise=None)
    truth = micrograph.truth
    y, x = np.rint(micrograph.pixels_of(truth.positions_nm)).astype(int).T
    assert micrograph.image[0, y, x].min() > BACKGROUND + 0.25
    inside = wall_distances(truth.positions_nm, truth.walls).min(axis=1) > 0.08
    assert inside.mean() > 0.7
    assert (truth.phase[y, x] == truth.column("phase"))[inside].all()
    assert (truth.domain[y, x] == truth.column("domain"))[inside].all()


@pytest.mark.parametrize("kind", KINDS)
def test_walls_lie_where_the_maps_change_and_only_there(kind):
    micrograph = draw_micrograph(kind, 220, seed=5)
    truth, pixel = micrograph.truth, micrograph.pixel_size_nm
    region = truth.phase.astype(int) * 256 + truth.domain
    edges = np.argwhere(region[:, 1:] != region[:, :-1]) + np.array([0, 0.5])
    points = ((edges - (np.array(micrograph.shape) - 1) / 2) * pixel)[:, ::-1]
    assert wall_distances(points, truth.walls).min(axis=1).max() < pixel
    middles = micrograph.pixels_of((truth.walls[:, :2] + truth.walls[:, 2:4]) / 2)
    for y, x in np.rint(middles).astype(int):
        assert np.unique(region[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]).size > 1


def test_the_polarization_of_a_film_is_the_shift_of_its_dim_columns():
    truth = draw_micrograph("film", 300, seed=1).truth
    kind, at, way = truth.column("kind"), truth.positions_nm, truth.columns[:, 6:8]
    iron = np.flatnonzero(kind == 1)
    bismuth = at[kind == 0]
    for row in iron[wall_distances(at[iron], truth.walls).min(axis=1) > 0.5][:40]:
        around = bismuth[np.linalg.norm(bismuth - at[row], axis=1) < 0.36]
        if len(around) == 4:
            assert 1000 * (at[row] - around.mean(axis=0)) == pytest.approx(way[row], abs=1e-6)
    assert np.linalg.norm(way[iron], axis=1) == pytest.approx(30)
    assert np.isnan(truth.columns[truth.column("phase") == 1, 6]).all()
    assert {WALL_KINDS[int(k)] for k in truth.walls[:, 4]} == {"phase boundary", "domain wall"}


def test_grains_of_graphene_are_turned_as_they_say():
    truth = draw_micrograph("graphene", 300, seed=2).truth
    assert np.ptp(truth.column("rotation_degrees")) > 10
    assert 0 < (truth.column("kind") == 1).mean() < 0.1
    for domain in np.unique(truth.column("domain")):
        own = truth.columns[truth.column("domain") == domain]
        steps = (own[:, None, :2] - own[:, :2]).reshape(-1, 2)
        length = np.linalg.norm(steps, axis=1)
        lattice = steps[(length > 0.24) & (length < 0.252)]
        assert length[length > 0].min() == pytest.approx(0.246 / np.sqrt(3), rel=1e-6)
        turn = np.exp(6j * np.arctan2(lattice[:, 1], lattice[:, 0])).mean()
        assert abs(turn) == pytest.approx(1)
        off = (np.rad2deg(np.angle(turn)) / 6 - own[0, 5] + 30) % 60 - 30
        assert abs(off) < 1e-6


def test_a_seed_draws_one_micrograph_and_noise_leaves_its_mean():
    once, again = (draw_micrograph("film", 160, seed=4) for _ in range(2))
    assert (once.image == again.image).all()
    still = draw_micrograph("film", 160, seed=4, noise=None)
    # Poisson: the mean of n pixels strays by sqrt(mean / (noise n)).
    error = np.sqrt(still.image.mean() / (400 * still.image.size))
    assert abs(once.image.mean() - still.image.mean()) < 5 * error
    assert (once.image != draw_micrograph("film", 160, seed=5).image).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "foam"}, "film, graphene, composite"),
        ({"size_px": 10}, "above 1 nm"),
        ({"noise": 0}, "above zero"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        draw_micrograph(**options)

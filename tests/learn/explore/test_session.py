"""Stages of a look: right, kept by what they depend on, and clear about what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from learn.explore.descriptors import components_of, first_components
from learn.explore.files import export
from learn.explore.mixtures import StoppedError, mixture, seconds_for
from learn.explore.session import Session, with_count
from learn.explore.shades import shade_of, shades_of
from learn.explore.state import ClusterState, ExploreState
from learn.micrographs import Micrograph, PatchSet

SMALL = {"source": {"size_px": 200}, "patches": {"window_px": 16}, "clusters": {"count": 4}}
GRID = {"centres": "grid", "step_px": 12, "window_px": 16}


def state_of(**tables) -> ExploreState:
    return ExploreState.of({**SMALL, **tables})


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"clusters": {"count": 3}}, {"clusters", "scores"}),
        ({"clusters": {"count": 4, "covariance": "diag"}}, {"clusters", "scores"}),
        ({"descriptor": {"components": 4}}, {"clusters", "scores"}),
        ({"descriptor": {"kind": "nmf", "components": 3}}, {"nmf", "clusters", "scores"}),
        (
            {"patches": {"window_px": 20}},
            {"patches", "components", "truth", "neighbours", "clusters", "scores"},
        ),
        ({"patches": GRID}, {"patches", "components", "truth", "neighbours", "clusters", "scores"}),
        ({"view": {"across": 2, "up": 3}}, set()),
        ({"patches": {"window_px": 16, "step_px": 3}}, set()),  # the step of a grid that is not shown
        ({"source": {"size_px": 200, "path": "elsewhere"}}, set()),
    ],
)
def test_a_change_works_out_again_only_what_follows_it(change, again):
    session = Session()
    assert session.look(state_of()).problem is None
    before = dict(session.cache.made)
    look = session.look(state_of(**change))
    assert look.problem is None
    assert {stage for stage, made in session.cache.made.items() if made > before[stage]} == again
    assert session.look(state_of(**change)).groups is look.groups


def test_another_image_works_out_everything_again(session):
    session.look(state_of())
    before = dict(session.cache.made)
    session.look(state_of(source={"size_px": 200, "seed": 5}))
    after = session.cache.made
    assert all(after[s] > before[s] for s in ("micrograph", "columns", "patches", "components", "clusters"))


def test_a_file_that_changed_is_read_again(tmp_path, session):
    rng = np.random.default_rng(0)
    path = tmp_path / "image.npy"
    looks = []
    for bright in (1.0, 50.0):
        np.save(path, (bright + rng.random((64, 64))).astype(np.float32))
        source = {"kind": "image", "path": str(path), "pixel_size_nm": 0.05}
        patches = {**GRID, "normalise": "none"}
        looks.append(session.look(state_of(source=source, patches=patches)))
        path.touch()
    assert [look.problem for look in looks] == [None, None]
    assert looks[1].patches.patches.mean() > 40 > looks[0].patches.patches.mean()


def test_clusters_agree_with_what_was_drawn(session):
    look = session.look(state_of(source={"drawn": "graphene", "size_px": 256}, patches={"window_px": 24}))
    assert set(look.scores) == {"ARI of domains", "ARI of kinds of column", "F1 of walls"}
    assert all(-1 <= value <= 1 for value in look.scores.values())
    film = session.look(state_of(source={"size_px": 300}, patches={"window_px": 24, "sublattice_nm": 0.33}))
    assert film.scores["ARI of domains"] > 0.5


def test_mixtures_find_groups_that_are_far_apart():
    rng = np.random.default_rng(3)
    true = np.repeat([0, 1, 2], [300, 200, 100])
    values = 20.0 * true[:, None] * np.ones(3) + rng.normal(size=(600, 3))
    for covariance in ("full", "tied", "diag", "spherical"):
        groups = mixture(values, ClusterState(count=3, covariance=covariance))
        assert (groups.labels == true).all()  # numbered by falling share
        np.testing.assert_allclose(groups.shares, [1 / 2, 1 / 3, 1 / 6])
        assert groups.icl_per_patch == pytest.approx(groups.bic_per_patch, abs=1e-6)
    criteria = {k: mixture(values, ClusterState(count=k)).bic for k in (1, 2, 3, 4, 5)}
    assert min(criteria, key=criteria.get) == 3


def test_a_mixture_of_one_group_has_the_likelihood_of_a_gaussian():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(400, 2)) @ np.array([[2.0, 0.5], [0.0, 0.7]]) + 3
    groups = mixture(values, ClusterState(count=1))
    covariance = np.cov(values.T, bias=True)
    likelihood = -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + 2)
    assert groups.log_likelihood == pytest.approx(400 * likelihood, abs=0.04)
    assert groups.bic_per_patch == pytest.approx(5 * np.log(400) / 400 - 2 * likelihood, abs=1e-4)


def test_a_mixture_stops_when_nobody_waits():
    values = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(StoppedError):
        mixture(values, ClusterState(count=3), stop=lambda: True)


def test_slow_clusters_are_left_for_later_and_then_kept():
    session, state = (
        Session(),
        state_of(
            source={"size_px": 256},
            patches={"window_px": 32},
            descriptor={"kind": "raw"},
            clusters={"count": 2},
        ),
    )
    look = session.look(state)
    assert look.problem is None
    assert look.groups is None
    assert look.slow_seconds > 3
    assert look.slow_seconds == seconds_for(len(look.patches), 32 * 32, state.clusters)
    quick = state_of(
        source={"size_px": 256},
        patches={"window_px": 32},
        descriptor={"kind": "raw"},
        clusters={"count": 2, "covariance": "diag"},
    )
    assert session.look(quick).groups is not None


def test_principal_components_are_those_of_the_covariance(session):
    patches = session.patches(state_of())
    found = first_components(components_of(patches), 5)
    flat = patches.patches.reshape(len(patches), -1).astype(float)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    np.testing.assert_allclose(found.shares, values[::-1][:5] / values.sum(), rtol=1e-3)
    overlap = np.abs(found.pictures.reshape(5, -1) @ vectors[:, ::-1][:, :5])
    np.testing.assert_allclose(np.diag(overlap), 1, atol=1e-2)
    told = found.rebuilt(patches.patches, np.arange(len(patches)))
    left = ((patches.patches - told) ** 2).sum() / ((flat - flat.mean(axis=0)) ** 2).sum()
    assert left == pytest.approx(1 - found.shares.sum(), rel=1e-3)


def test_choices_are_those_that_were_worked_out():
    session, state = Session(), state_of()
    for count in (2, 5):
        session.clusters(with_count(state, count))
    assert [choice[0] for choice in session.choices(state)] == [2, 5]
    assert session.choices(state)[0][1] == session.clusters(with_count(state, 2)).bic_per_patch


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"patches": {"window_px": 256}}, "larger than drawn film 0 of 200 x 200 pixels"),
        ({"source": {"channel": 2, "size_px": 200}}, "channel 2 of drawn film 0; accepted: 0 to 0"),
        ({"source": {"kind": "image"}}, "give the path of the image file"),
        ({"source": {"kind": "image", "path": "no/such.tif"}}, "there is no such image file"),
        ({"source": {"kind": "corpus", "path": "no/such"}}, "no/such"),
        ({"descriptor": {"kind": "model"}}, "give the folder of a trained autoencoder"),
        ({"descriptor": {"kind": "model", "model": "no/such"}}, "no/such"),
        ({"source": {"size_px": 64, "pixel_size_nm": 0.02}, "patches": {"window_px": 60}}, "accepted"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(session, tables, words):
    look = session.look(state_of(**tables))
    assert words in look.problem
    assert "\n" not in look.problem
    assert look.groups is None


@pytest.mark.parametrize("patches", [{"window_px": 16}, GRID])
def test_a_constant_image_is_said_to_be_one(tmp_path, session, patches):
    np.save(tmp_path / "flat.npy", np.full((80, 80), 3.0, np.float32))
    source = {"kind": "image", "path": str(tmp_path / "flat.npy"), "pixel_size_nm": 0.02}
    look = session.look(state_of(source=source, patches=patches))
    assert "no atomic column stands out" in look.problem or "constant" in look.problem


def test_a_file_that_is_no_image_is_said_to_be_none(tmp_path, session):
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    source = {"kind": "image", "path": str(tmp_path / "bad.npy"), "pixel_size_nm": 0.02}
    assert "bad.npy" in session.look(state_of(source=source)).problem


def test_one_patch_cannot_be_compared():
    patches = PatchSet(
        np.zeros((1, 1, 4, 4), np.float32),
        np.array([[2.0, 2.0]]),
        np.zeros(1, np.int64),
        (Micrograph(np.zeros((8, 8), np.float32), 0.1),),
    )
    with pytest.raises(Exception, match="at least two"):
        components_of(patches)


def test_everything_that_colours_the_charts_has_a_value_for_each_patch(session):
    look = session.look(state_of())
    shades = shades_of(look)
    assert {"cluster", "PC 1", "true domain", "true polarization x (pm)"} <= set(shades)
    for shade in shades.values():
        assert shade.values.shape == (len(look.patches),)
        rows = np.sort(np.concatenate([rows for *_, rows in shade.parts(np.arange(len(look.patches)))]))
        np.testing.assert_array_equal(rows, np.arange(len(look.patches)))
    assert shade_of(look, "angle (degrees)").name == "cluster"


def test_export_writes_what_opens_again(tmp_path, session):
    look = session.look(state_of())
    written = {path.name: path for path in export(look, tmp_path / "out")}
    assert {"explore.toml", "map.png", "scatter.png", "means.png", "components.png", "patches.csv"} == set(
        written
    )
    again = ExploreState.load(written["explore.toml"])
    assert again == look.state
    assert session.look(again).groups is look.groups
    assert all(written[n].read_bytes()[:4] == b"\x89PNG" for n in written if n.endswith(".png"))
    lines = written["patches.csv"].read_text().splitlines()
    assert lines[0].startswith("y_px,x_px,cluster,probability,PC 1")
    labels = [int(line.split(",")[2]) for line in lines[1:]]
    assert labels == (look.groups.labels + 1).tolist()

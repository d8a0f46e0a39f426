"""Through the model: redrawn aggregates have the descriptors of the parameters they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.targets import Target, TargetSet
from learn.through_model import (
    ParameterFiller,
    ThroughModel,
    from_scale,
    parameter_of,
    parameters_of,
    to_scale,
)
from learn.through_model import _normal_points as normal_points
from stochgeom.aggregation import sample_aggregate
from stochgeom.descriptors import describe
from stochgeom.parameters import AggregateParameters, Species
from stochgeom.radius_laws import ConstantRadii, LognormalRadii, NormalRadii

NAMES = (
    "count",
    "number_fraction_A",
    "radius_geometric_mean_nm_A",
    "radius_geometric_mean_nm_B",
    "mean_cluster_size_A",
    "fractal_dimension",
    "hetero_coordination",
    "mixing_index",
)
TRUTH = {"count": 24.0, "number_fraction_A": 0.5, "radius_geometric_mean_nm_A": 4.0}
TRUTH |= {"radius_geometric_mean_nm_B": 6.0, "mean_cluster_size_A": 3.0, "fractal_dimension": 1.8}
TRUTH |= {"hetero_coordination": 0.6, "mixing_index": 0.6}


def template(cluster: float = 3.0) -> AggregateParameters:
    return AggregateParameters(
        n_particles=24,
        species=(
            Species(
                name="A",
                fraction=0.5,
                radii=LognormalRadii(median_nm=4, geometric_sd=1.2),
                mean_cluster_size=cluster,
            ),
            Species(
                name="B",
                fraction=0.5,
                radii=LognormalRadii(median_nm=6, geometric_sd=1.2),
                mean_cluster_size=cluster,
            ),
        ),
    )


def filler() -> ParameterFiller:
    """Training rows with wide ranges around the template."""
    rng, base = np.random.default_rng(0), template().columns()
    rows = []
    for _ in range(200):
        row = dict(base)
        row["n_particles"] = float(rng.integers(8, 80))
        row["fraction_A"] = rng.uniform(0.2, 0.8)
        row["fraction_B"] = 1 - row["fraction_A"]
        row["median_radius_nm_A"], row["median_radius_nm_B"] = rng.uniform(3, 9, 2)
        row["mean_cluster_size_A"] = row["mean_cluster_size_B"] = np.exp(rng.uniform(0, np.log(15)))
        row["fractal_dimension"] = rng.uniform(1.6, 2.2)
        rows.append(list(row.values()))
    return ParameterFiller(template(), tuple(base), np.array(rows), shared_cluster_size=True)


def targets() -> TargetSet:
    values = np.array([[0.7 * v for v in TRUTH.values()], [1.2 * v for v in TRUTH.values()]])
    return TargetSet.fit([Target.of(name) for name in NAMES], values)


def test_scales_are_inverse() -> None:
    values = np.array([[TRUTH[name] for name in NAMES]])
    assert from_scale(targets(), to_scale(targets(), values)) == pytest.approx(values)


def test_redrawn_descriptors_are_those_of_the_true_parameters_within_standard_error() -> None:
    """A certain prediction of the truth: the mean over redrawn aggregates is that of the model itself."""
    rng = np.random.default_rng(1)
    direct = [describe(sample_aggregate(template(), rng)) for _ in range(400)]
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]]))
    # 40 images of 10 aggregates each. The radii's spread is not predicted: the training rows hold the
    # template's.
    model = ThroughModel(filler(), targets(), draws=10, seed=3)
    redrawn = model.redraw(np.repeat(middle, 40, axis=0), np.zeros((40, len(NAMES))), range(40))
    assert redrawn.values.shape == (40, 10, len(redrawn.names))
    assert (redrawn.tried, redrawn.refused) == (400, 0)
    for name in ("hetero_coordination", "hetero_contact_fraction", "mixing_index", "radius_of_gyration_nm"):
        one = np.array([found[name] for found in direct])
        two = redrawn.values[:, :, redrawn.names.index(name)].ravel()
        error = np.hypot(one.std() / np.sqrt(len(one)), two.std() / np.sqrt(len(two)))
        assert two.mean() == pytest.approx(one.mean(), abs=4 * error), name
    counts = redrawn.values[:, :, redrawn.names.index("count")]
    assert np.all(counts == 24)


def test_the_spread_of_the_prediction_reaches_the_aggregates() -> None:
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]]))
    sd = np.zeros((1, len(NAMES)))
    sd[0, 0] = 0.2
    found = ThroughModel(filler(), targets(), draws=64).redraw(middle, sd, [5])
    logs = np.log(found.values[0, :, found.names.index("count")])
    # Standard error of the mean and of the standard deviation of 64 normal numbers; the points are more even
    # than those.
    assert logs.mean() == pytest.approx(np.log(24), abs=4 * 0.2 / 8)
    assert logs.std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * 64))


def test_correlated_errors_are_drawn_correlated() -> None:
    correlation = np.eye(len(NAMES))
    correlation[0, 2] = correlation[2, 0] = -0.9
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]]))
    sd = np.zeros((1, len(NAMES)))
    sd[0, [0, 2]] = 0.2, 0.15
    found = ThroughModel(filler(), targets(), draws=80, correlation=correlation).redraw(middle, sd, [0])
    logs = np.log(found.values[0][:, [found.names.index(n) for n in ("count", "radius_geometric_mean_nm_A")]])
    assert np.corrcoef(logs.T)[0, 1] < -0.7


def test_a_sample_is_redrawn_the_same_whatever_stands_beside_it() -> None:
    rng = np.random.default_rng(0)
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]])) + 0.05 * rng.normal(
        size=(4, len(NAMES))
    )
    sd = np.full((4, len(NAMES)), 0.1)
    model = ThroughModel(filler(), targets(), draws=3, seed=8)
    whole = model.redraw(middle, sd, [11, 12, 13, 14])
    part = model.redraw(middle[2:3], sd[2:3], [13])
    assert np.array_equal(whole.values[2], part.values[0], equal_nan=True)
    other = ThroughModel(filler(), targets(), draws=3, seed=9).redraw(middle[2:3], sd[2:3], [13])
    assert not np.array_equal(other.values, part.values)
    shown = model.structures(middle[2], sd[2], 13)
    assert [len(one) for one in shown] == list(part.values[0, :, part.names.index("count")])


def test_estimates_average_on_the_scale_of_the_target_and_skip_parameters() -> None:
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]]))
    found = ThroughModel(filler(), targets(), draws=6).redraw(middle, np.full((1, len(NAMES)), 0.2), [1])
    estimates = found.estimates(targets())
    counts = found.values[0, :, found.names.index("count")]
    assert estimates[0, 0] == pytest.approx(np.log(counts).mean())
    assert estimates[0, 7] == pytest.approx(np.nanmean(found.values[0, :, found.names.index("mixing_index")]))
    assert np.isnan(estimates[0, [4, 5]]).all()


def test_infeasible_parameters_are_counted_and_drawn_again() -> None:
    base = filler()
    rows = base.rows.copy()
    # Far too compact for touching spheres, unless another training row's prefactor is drawn.
    rows[: len(rows) // 2, base.columns.index("fractal_prefactor")] = 500.0
    model = ThroughModel(ParameterFiller(template(), base.columns, rows, True), targets(), draws=8)
    middle = to_scale(targets(), np.array([[TRUTH[name] for name in NAMES]]))
    found = model.redraw(np.repeat(middle, 10, axis=0), np.zeros((10, len(NAMES))), range(10))
    aggregates = np.isfinite(found.values[:, :, found.names.index("count")]).sum()
    assert found.refused > 0
    assert found.tried == found.refused + aggregates
    rows[:, base.columns.index("fractal_prefactor")] = 500.0
    never = ThroughModel(ParameterFiller(template(), base.columns, rows, True), targets(), draws=2)
    nothing = never.redraw(middle, np.zeros((1, len(NAMES))), [0])
    assert nothing.tried == nothing.refused == 8
    assert np.isnan(nothing.estimates(targets())).all()


@settings(max_examples=25)
@given(
    count=st.floats(1, 500),
    share=st.floats(-0.2, 1.2),
    radius=st.floats(0.5, 50),
    cluster=st.floats(0.1, 100),
    dimension=st.floats(1, 3),
    seed=st.integers(0, 1000),
)
def test_any_prediction_fills_to_valid_parameters_within_the_training_range(
    count: float, share: float, radius: float, cluster: float, dimension: float, seed: int
) -> None:
    values = np.array([count, share, radius, radius, cluster, dimension, 0.5, 0.5])
    found = filler().fill(NAMES, values, np.random.default_rng(seed))
    assert 8 <= found.n_particles <= 80
    assert sum(s.fraction for s in found.species) == pytest.approx(1)
    assert 0.2 <= found.species[0].fraction <= 0.8
    assert found.species[0].mean_cluster_size == found.species[1].mean_cluster_size
    assert 1.6 <= found.fractal_dimension <= 2.2


def test_parameters_come_back_from_their_columns() -> None:
    for radii in (
        LognormalRadii(median_nm=4, geometric_sd=1.3),
        NormalRadii(mean_nm=4, sd_nm=0.8),
        ConstantRadii(radius_nm=4),
    ):
        species = (Species(name="A", fraction=0.3, radii=radii), Species(name="B", fraction=0.7, radii=radii))
        one = AggregateParameters(n_particles=40, species=species, overlap=0.1)
        assert parameters_of(one, one.columns()).columns() == pytest.approx(one.columns())


@pytest.mark.parametrize(
    ("target", "parameter"),
    [
        ("count", "n_particles"),
        ("count_A", "count_A"),
        ("number_fraction_TiO2", "fraction_TiO2"),
        ("radius_geometric_mean_nm_WO3", "median_radius_nm_WO3"),
        ("radius_geometric_sd_WO3", "geometric_sd_WO3"),
        ("mixing_index", "mixing_index"),
    ],
)
def test_which_parameter_a_target_sets(target: str, parameter: str) -> None:
    assert parameter_of(target) == parameter


def test_points_are_normal_and_even() -> None:
    rng = np.random.default_rng(0)
    means = np.array([normal_points(16, 5, rng).mean(axis=0) for _ in range(50)])
    # Independent points would scatter by 1 / 4.
    assert means.std() < 0.12
    points = np.concatenate([normal_points(64, 5, rng) for _ in range(30)])
    assert points.std(axis=0) == pytest.approx(np.ones(5), abs=0.05)

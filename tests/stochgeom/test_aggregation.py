"""The two-stage model: what is asked for comes out, exactly or within the stated tolerance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kstest

from stochgeom import (
    AggregateParameters,
    ConstantRadii,
    InfeasibleParametersError,
    LognormalRadii,
    Species,
    check_feasible,
    describe,
    reference,
    sample_aggregate,
)

SAME = LognormalRadii(median_nm=5, geometric_sd=1.3)


def pair(fraction=0.5, first=SAME, second=SAME, cluster=1.0, **rest) -> AggregateParameters:
    return AggregateParameters(
        species=[
            Species(name="A", fraction=fraction, radii=first, mean_cluster_size=cluster),
            Species(name="B", fraction=1 - fraction, radii=second, mean_cluster_size=cluster),
        ],
        **rest,
    )


def target_gyration(parameters: AggregateParameters, radii: np.ndarray) -> float:
    mean = np.mean(radii**3) ** (1 / 3)
    return mean * (len(radii) / parameters.fractal_prefactor) ** (1 / parameters.fractal_dimension)


@st.composite
def reference_parameters(draw, smallest=8, largest=200):
    """The parameter space of the reference estimation task, with necks and affinities added."""
    laws = st.builds(LognormalRadii, median_nm=st.floats(3, 9), geometric_sd=st.floats(1.1, 1.6))
    return pair(
        fraction=draw(st.floats(0.2, 0.8)),
        first=draw(laws),
        second=draw(laws),
        cluster=math.exp(draw(st.floats(0, math.log(15)))),
        n_particles=draw(st.integers(smallest, largest)),
        fractal_dimension=draw(st.floats(1.6, 2.2)),
        hetero_affinity=draw(st.sampled_from([0.0, 0.0, -2.0, 3.0])),
        overlap=draw(st.sampled_from([0.0, 0.0, 0.05, 0.2])),
    )


@settings(max_examples=120)
@given(reference_parameters(), st.integers(0, 2**32))
def test_every_aggregate_is_what_was_asked_for(parameters, seed):
    try:
        aggregate = sample_aggregate(parameters, np.random.default_rng(seed))
    except InfeasibleParametersError:  # few particles, most of the mass in one: rare, and said so
        if parameters.n_particles >= 40:
            raise
        return
    radii, n = aggregate.radii, parameters.n_particles
    keep = 1 - parameters.overlap
    shortest = pdist(aggregate.centres) - squareform((radii[:, None] + radii) * keep, checks=False)
    assert shortest.min() > -1e-9
    assert np.sum(shortest < 1e-9) >= n - 1  # each merge made an exact contact
    assert aggregate.radius_of_gyration == pytest.approx(target_gyration(parameters, radii), rel=0.015)
    assert tuple(np.bincount(aggregate.species, minlength=2)) == parameters.counts
    np.testing.assert_allclose(aggregate.centre_of_mass, 0, atol=1e-9)
    everyone = np.zeros(n, int)
    assert not reference.same_species_clusters(everyone, aggregate.contacts()).any()  # in one piece
    assert_clusters_are_whole(aggregate)


def assert_clusters_are_whole(aggregate):
    """A primary cluster is of one species and hangs together by its own contacts."""
    for cluster in range(aggregate.cluster.max() + 1):
        members = np.flatnonzero(aggregate.cluster == cluster)
        assert len(set(aggregate.species[members])) == 1
        contacts = reference.contact_pairs(aggregate.centres[members], aggregate.radii[members], 1e-9)
        assert not reference.same_species_clusters(np.zeros(len(members), int), contacts).any()


def test_the_reference_task_succeeds_without_drawing_radii_again(monkeypatch, rng):
    """At least 99 % of draws succeed with their first radii, so the radius law is kept."""
    import stochgeom.aggregation as aggregation

    monkeypatch.setattr(aggregation, "SETS", 1)
    failures = 0
    for _ in range(1500):
        radii = [
            LognormalRadii(median_nm=rng.uniform(3, 9), geometric_sd=rng.uniform(1.1, 1.6)) for _ in range(2)
        ]
        parameters = pair(
            rng.uniform(0.2, 0.8),
            *radii,
            cluster=math.exp(rng.uniform(0, math.log(15))),
            n_particles=int(math.exp(rng.uniform(math.log(8), math.log(201)))),
            fractal_dimension=rng.uniform(1.6, 2.2),
        )
        try:
            aggregate = sample_aggregate(parameters, rng)
        except InfeasibleParametersError:
            failures += 1
            continue
        asked = target_gyration(parameters, aggregate.radii)
        assert aggregate.radius_of_gyration == pytest.approx(asked, rel=0.015)
    assert failures <= 15


@pytest.mark.parametrize("n", range(1, 9))
def test_few_particles(n, rng):
    for df in (1.6, 2.2):
        aggregate = sample_aggregate(pair(n_particles=n, fractal_dimension=df), rng)
        assert len(aggregate) == n
        assert len(aggregate.contacts(1e-9)) >= n - 1
        assert describe(aggregate)["largest_overlap"] < 1e-9
    if n == 2:
        assert np.linalg.norm(np.diff(aggregate.centres, axis=0)) == pytest.approx(
            aggregate.radii.sum(), rel=1e-12
        )


@pytest.mark.parametrize("df", [1.5, 1.8, 2.1])
def test_larger_aggregates_meet_the_law(df, rng):
    parameters = pair(n_particles=700, fractal_dimension=df, cluster=5.0)
    aggregate = sample_aggregate(parameters, rng)
    assert aggregate.radius_of_gyration == pytest.approx(
        target_gyration(parameters, aggregate.radii), rel=0.015
    )
    assert describe(aggregate)["largest_overlap"] < 1e-9


def test_merges_make_trees(rng):
    for _ in range(20):
        aggregate = sample_aggregate(pair(n_particles=100), rng)
        assert len(aggregate.contacts(1e-10)) == 99


def test_pair_correlation_has_the_slope_of_the_fractal_dimension(rng):
    """f(r) ~ r^(Df - 3) between 3 r and 0.6 Rg, equal spheres, N = 512.

    The window is finite and the ends of the aggregate bend the slope: 0.05 to 0.15 below Df.
    """
    slopes = []
    for df in (1.6, 1.9, 2.2):
        law = ConstantRadii(radius_nm=1)
        parameters = pair(0.5, law, law, n_particles=512, fractal_dimension=df)
        edges = np.geomspace(3, 0.6 * (512 / 1.3) ** (1 / df), 12)
        count = np.zeros(11)
        for _ in range(25):
            count += np.histogram(pdist(sample_aggregate(parameters, rng).centres), edges)[0]
        density = count / np.diff(edges**3)
        slopes.append(3 + np.polyfit(np.log(edges[1:] * edges[:-1]) / 2, np.log(density), 1)[0])
    assert np.abs(np.array(slopes) - (1.6, 1.9, 2.2)).max() < 0.2
    assert slopes[0] + 0.2 < slopes[1] < slopes[2] - 0.2


def test_three_species(rng):
    laws = [ConstantRadii(radius_nm=r) for r in (3, 4, 6)]
    fractions = (0.5, 0.3, 0.2)
    parameters = AggregateParameters(
        n_particles=50,
        species=[
            Species(name=name, fraction=f, radii=law, mean_cluster_size=3)
            for name, f, law in zip("ABC", fractions, laws, strict=True)
        ],
    )
    aggregate = sample_aggregate(parameters, rng)
    assert np.bincount(aggregate.species).tolist() == [25, 15, 10]
    assert set(aggregate.radii[aggregate.species == 2]) == {6.0}
    row = describe(aggregate)
    mixed = sum(row[f"count_{s}"] * row[f"hetero_coordination_{s}"] for s in "ABC")
    assert mixed == pytest.approx(2 * row["hetero_contacts"])
    assert row["mixing_index"] >= 0


@pytest.mark.parametrize("n", [40, 41])
def test_random_labels_mix_at_random(n, rng):
    """Single particles of one radius law have exchangeable labels, so M is 1 (4 standard errors)."""
    parameters = pair(0.4, n_particles=n)
    values = np.array([describe(sample_aggregate(parameters, rng))["mixing_index"] for _ in range(600)])
    assert abs(values.mean() - 1) < 4 * values.std(ddof=1) / math.sqrt(len(values))


def test_random_labels_mix_at_random_for_equal_radii(rng):
    """Equal masses: the order of the merges must not know the species."""
    law = ConstantRadii(radius_nm=5)
    parameters = pair(0.3, law, law, n_particles=11)
    values = np.array([describe(sample_aggregate(parameters, rng))["mixing_index"] for _ in range(1500)])
    assert abs(values.mean() - 1) < 4 * values.std(ddof=1) / math.sqrt(len(values))


def mean_mixing(rng, repeats=80, **change) -> tuple[float, float]:
    values = [
        describe(sample_aggregate(pair(n_particles=60, **change), rng))["mixing_index"]
        for _ in range(repeats)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(repeats))


def test_affinity_orders_or_separates(rng):
    (low, low_error), (none, error), (high, high_error) = (
        mean_mixing(rng, hetero_affinity=a) for a in (-2.0, 0.0, 2.0)
    )
    assert low < none - 4 * math.hypot(low_error, error)
    assert high > none + 4 * math.hypot(high_error, error)


def test_primary_clusters_separate(rng):
    (single, error), (clustered, clustered_error) = (mean_mixing(rng, cluster=s) for s in (1.0, 6.0))
    assert clustered < single - 4 * math.hypot(error, clustered_error)


def test_radii_of_each_species_follow_its_law(rng):
    narrow, wide = (
        LognormalRadii(median_nm=4, geometric_sd=1.1),
        LognormalRadii(median_nm=7, geometric_sd=1.5),
    )
    drawn = [sample_aggregate(pair(0.5, narrow, wide, n_particles=40), rng) for _ in range(60)]
    for k, law in enumerate((narrow, wide)):
        logs = np.log(np.concatenate([a.radii[a.species == k] for a in drawn]))
        error = math.log(law.geometric_sd) / math.sqrt(len(logs))
        assert abs(logs.mean() - math.log(law.median_nm)) < 4 * error
        assert abs(logs.std() - 0.9866 * math.log(law.geometric_sd)) < 4 * error  # 0.9866: cut at three


def test_orientations_are_uniform_and_phases_follow_their_shares():
    species = [Species(name="A", fraction=1, radii=SAME, phases={"a": 0.7, "b": 0.3})]
    parameters = AggregateParameters(n_particles=60, species=species)
    rng = np.random.default_rng(5)
    drawn = [sample_aggregate(parameters, rng) for _ in range(40)]
    quaternions = np.concatenate([a.orientations for a in drawn])
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1, atol=1e-12)
    for axis in range(3):  # z axis of the crystal on the sphere: each component uniform
        component = rotated_z(quaternions)[:, axis]
        assert kstest(component, "uniform", args=(-1, 2)).pvalue > 1e-3
    share = np.mean(np.concatenate([a.phase for a in drawn]) == 0)
    assert abs(share - 0.7) < 4 * math.sqrt(0.7 * 0.3 / len(quaternions))
    assert drawn[0].phase_names == ("a", "b")


def rotated_z(quaternions):
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(quaternions).apply([0, 0, 1])


def test_structures_have_no_preferred_direction(rng):
    """The gyration tensor of many aggregates is isotropic within four standard errors."""
    tensors = []
    for _ in range(300):
        centres = sample_aggregate(pair(n_particles=20), rng).centres
        tensor = centres.T @ centres
        tensors.append(tensor / np.trace(tensor))
    mean, error = np.mean(tensors, axis=0), np.std(tensors, axis=0, ddof=1) / math.sqrt(300)
    assert (np.abs(mean - np.eye(3) / 3) < 4 * error).all()


def test_same_seed_same_bytes():
    parameters = AggregateParameters(n_particles=50, hetero_affinity=1.0, pose="resting")
    first, second = (
        sample_aggregate(parameters, np.random.default_rng(3), np.random.default_rng(4)) for _ in range(2)
    )
    other = sample_aggregate(parameters, np.random.default_rng(3), np.random.default_rng(5))
    for name in ("centres", "radii", "species", "cluster", "orientations", "phase"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert other.centres.tobytes() == first.centres.tobytes()  # crystals have their own stream
    assert other.orientations.tobytes() != first.orientations.tobytes()


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"fractal_dimension": 1.02, "fractal_prefactor": 1.0, "n_particles": 100}, "fractal_dimension"),
        ({"fractal_prefactor": 30.0, "n_particles": 100}, "fractal_prefactor"),
        ({"fractal_prefactor": 0.01, "n_particles": 100}, "fractal_prefactor"),
        ({"fractal_dimension": 3.0, "fractal_prefactor": 2.0, "n_particles": 100}, "fractal_dimension"),
    ],
)
def test_infeasible_laws_name_the_parameter_and_a_value_that_passes(change, parameter):
    law = ConstantRadii(radius_nm=5)
    with pytest.raises(InfeasibleParametersError, match=parameter) as caught:
        check_feasible(pair(0.5, law, law, **change))
    assert caught.value.parameter == parameter
    assert caught.value.value == change[parameter]
    inwards = 1e-9 if caught.value.nearest > change[parameter] else -1e-9
    check_feasible(pair(0.5, law, law, **{**change, parameter: caught.value.nearest * (1 + inwards)}))


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("deviation", [1.0, 1.6])
def test_a_law_too_dense_for_the_kernel_is_refused_at_once_with_one_that_succeeds(n, deviation, rng):
    law = LognormalRadii(median_nm=5, geometric_sd=deviation)
    for parameter, change in (
        ("fractal_dimension", {"fractal_prefactor": 1.3, "fractal_dimension": 2.95}),
        ("fractal_prefactor", {"fractal_prefactor": 4.0, "fractal_dimension": 2.5}),
    ):
        with pytest.raises(InfeasibleParametersError, match=f"{parameter} .* so dense") as caught:
            check_feasible(pair(0.5, law, law, n_particles=n, **change))
        nearest = pair(0.5, law, law, n_particles=n, **{**change, parameter: caught.value.nearest})
        sample_aggregate(nearest, rng)


def test_a_law_that_no_structure_meets_is_reported_with_one_that_does(rng):
    law = ConstantRadii(radius_nm=5)
    with pytest.raises(InfeasibleParametersError, match="no structure so compact") as caught:
        sample_aggregate(pair(0.5, law, law, n_particles=60, fractal_dimension=2.95), rng)
    sample_aggregate(pair(0.5, law, law, n_particles=60, fractal_dimension=caught.value.nearest - 0.1), rng)

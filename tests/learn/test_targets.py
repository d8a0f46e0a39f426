import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.targets import Target, TargetSet, column_values, default_targets
from stochgeom.descriptors import descriptor_names
from stochgeom.errors import UserError

NAMES = ("count", "number_fraction_A", "radius_geometric_sd_A", "mixing_index")
NATURAL = st.tuples(
    st.floats(1, 1e4), st.floats(0.001, 0.999), st.floats(1.001, 3), st.floats(0, 3, allow_subnormal=False)
)


def some_set(rng=None):
    rng = rng or np.random.default_rng(0)
    rows = rng.uniform(1.1, 3, (50, 4))
    rows[:, 1] = rng.random(50)
    return TargetSet.fit([Target.of(name) for name in NAMES], rows), rows


@given(st.lists(NATURAL, min_size=1, max_size=5))
def test_decode_undoes_encode(rows):
    targets, _ = some_set()
    values = np.array(rows)
    # float32 on the standardised scale: up to 1e-6 of the few scales by which a value lies from the mean
    assert np.allclose(targets.decode(targets.encode(values)), values, rtol=1e-4, atol=1e-5)


def test_training_values_are_standardised():
    targets, rows = some_set()
    z = targets.encode(rows).astype(float)
    assert np.allclose(z.mean(0), 0, atol=1e-5)
    assert np.allclose(z.std(0), 1, atol=1e-5)


def test_undefined_values_stay_undefined_and_do_not_shift_the_scale():
    targets = [Target.of("mixing_index")]
    rows = np.array([[1.0], [np.nan], [3.0]])
    fitted = TargetSet.fit(targets, rows)
    assert fitted.mean[0] == 2
    assert fitted.scale[0] == 1
    assert np.isnan(fitted.encode(rows)[1, 0])


def test_logarithm_of_zero_counts_as_undefined():
    fitted = TargetSet.fit([Target("x", "log")], np.array([[1.0], [0.0], [4.0]]))
    assert np.isnan(fitted.encode(np.array([[0.0]]))[0, 0])


def test_sd_is_that_of_the_back_transform_to_first_order():
    targets, rows = some_set()
    z, step = targets.encode(rows).astype(float)[:5] * 0.5, 1e-5
    slope = (targets.decode(z + step) - targets.decode(z - step)) / (2 * step)
    assert np.allclose(targets.decode_sd(z, np.full_like(z, 0.3)), 0.3 * slope, rtol=1e-6)


def test_decoded_values_respect_what_exists():
    targets, _ = some_set()
    low, high = targets.decode(np.full((1, 4), -50.0))[0], targets.decode(np.full((1, 4), 50.0))[0]
    assert np.all(low >= [1, 0, 1, 0])
    assert high[1] == 1


def test_json_round_trip_is_exact():
    targets, _ = some_set()
    again = TargetSet.from_json(json.loads(json.dumps(targets.to_json())))
    assert again.targets == targets.targets
    assert np.array_equal(again.mean, targets.mean)
    assert np.array_equal(again.scale, targets.scale)


@pytest.mark.parametrize("change", [{"transform": "eval"}, {"scale": 0.0}, {"mean": float("nan")}])
def test_damaged_json_is_refused(change):
    rows = some_set()[0].to_json()
    with pytest.raises((ValueError, KeyError)):
        TargetSet.from_json([{**rows[0], **change}])


def test_a_constant_target_is_refused(memory_corpus):
    corpus = memory_corpus(60)
    with pytest.raises(UserError, match="constant"):
        TargetSet.fit([Target.of("constant")], column_values(corpus, ["constant"]))


def test_an_unknown_column_names_what_exists(memory_corpus):
    with pytest.raises(UserError, match=r"brightnes'.*brightness, constant"):
        column_values(memory_corpus(60), ["brightnes"])


def test_default_targets_leave_out_what_repeats_or_does_not_vary(particle_corpus):
    corpus = particle_corpus(40)
    corpus.parameter_names = (*corpus.parameter_names, "mean_cluster_size_light", "mean_cluster_size_heavy")
    corpus.descriptor_names = (*corpus.descriptor_names, "mixing_index")
    size = np.linspace(1, 5, 40)
    corpus._columns |= {
        "mean_cluster_size_light": size,
        "mean_cluster_size_heavy": size,
        "mixing_index": np.ones(40),
    }
    assert [target.name for target in default_targets(corpus)] == ["count", "mean_cluster_size_light"]


def test_default_targets_do_not_grow_with_the_descriptors(particle_corpus):
    """Columns that later versions add are targets only where they are named."""
    corpus = particle_corpus(40)
    usual = default_targets(corpus)
    added = [name for name in descriptor_names(("light", "heavy")) if name not in corpus.descriptor_names]
    added = added[added.index("largest_overlap") :]
    corpus.descriptor_names = (*corpus.descriptor_names, *added)
    corpus._columns |= {name: np.linspace(1, 2, 40) for name in added}
    assert default_targets(corpus) == usual
    assert Target.of("hetero_contact_area_nm2").unit == "nm²"
    assert Target.of("largest_same_species_cluster_light").transform == "log"

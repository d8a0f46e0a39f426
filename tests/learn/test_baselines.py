"""Baselines: the composition formula against label permutations, boosting and recalibration on known
problems.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from learn.baselines import (
    BoostingBaseline,
    LinearRecalibration,
    MeanBaseline,
    composition_alone,
    expected_of_random_labels,
    particle_counts,
)
from learn.descriptor_cache import corpus_descriptors
from simulate.realism import Realism
from stochgeom.errors import UserError


@pytest.mark.parametrize("counts", [(7, 5), (20, 3), (6, 5, 9)])
def test_the_formula_is_the_mean_over_label_permutations(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(counts))
    n, rounds = sum(counts), 4000
    # A random tree: each particle touches an earlier one.
    edges = np.array([[rng.integers(k), k] for k in range(1, n)])
    labels = np.repeat(np.arange(len(counts)), counts)
    shuffled = np.stack([rng.permutation(labels) for _ in range(rounds)])
    unlike = shuffled[:, edges[:, 0]] != shuffled[:, edges[:, 1]]
    names = [f"S{k}" for k in range(len(counts))]
    expected = expected_of_random_labels(np.array([counts], float), names)

    def agrees(name: str, values: np.ndarray) -> None:
        error = values.std() / np.sqrt(rounds)
        assert values.mean() == pytest.approx(expected[name][0], abs=4 * error), name

    agrees("hetero_contact_fraction", unlike.mean(axis=1))
    agrees("hetero_contacts", unlike.sum(axis=1))
    agrees("hetero_coordination", 2 * unlike.sum(axis=1) / n)
    agrees("mixing_index", unlike.mean(axis=1) / expected["hetero_contact_fraction"][0])
    for k, name in enumerate(names):
        touching = (shuffled[:, edges] == k).sum(axis=2) == 1
        agrees(f"hetero_coordination_{name}", (touching & unlike).sum(axis=1) / counts[k])


def test_two_species_give_the_textbook_formula() -> None:
    found = expected_of_random_labels(np.array([[12.0, 8.0]]), ["A", "B"])
    assert found["hetero_contact_fraction"][0] == pytest.approx(2 * 12 * 8 / (20 * 19))
    # n_A HCN_A = n_B HCN_B = E_AB
    assert 12 * found["hetero_coordination_A"][0] == pytest.approx(8 * found["hetero_coordination_B"][0])
    assert 12 * found["hetero_coordination_A"][0] == pytest.approx(found["hetero_contacts"][0])


def test_counts_come_from_predicted_targets_under_either_name() -> None:
    values = np.array([[40.0, 0.25], [10.0, 0.8]])
    expected = np.array([[10.0, 30.0], [8.0, 2.0]])
    for names in (("count", "number_fraction_A"), ("n_particles", "fraction_A")):
        assert particle_counts(names, values, ["A", "B"]) == pytest.approx(expected)
    assert particle_counts(("count",), values[:, :1], ["A", "B"]) is None
    assert particle_counts(("number_fraction_A",), values[:, 1:], ["A", "B"]) is None
    # Predictions outside 0 ... 1 do not make negative counts.
    assert np.all(particle_counts(("count", "number_fraction_A"), np.array([[20.0, 1.2]]), ["A", "B"]) > 0)


def test_composition_alone_speaks_of_hetero_targets_only() -> None:
    names = ("count", "number_fraction_A", "fractal_dimension", "mixing_index", "hetero_coordination_A")
    found = composition_alone(names, np.array([[40.0, 0.25, 1.8, 0.4, 1.0]]), ["A", "B"])
    assert np.isnan(found[0, :3]).all()
    assert found[0, 3:] == pytest.approx([1.0, 2 * 30 / 40])


def test_mean_and_recalibration() -> None:
    targets = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, 6.0]])
    assert MeanBaseline().fit(targets, targets).predict(np.zeros((2, 5))) == pytest.approx(
        np.array([[2.0, 5.0], [2.0, 5.0]])
    )
    x = np.stack([np.linspace(0, 1, 20), np.full(20, 3.0), np.full(20, np.nan)], axis=1)
    y = np.stack([2 - 3 * x[:, 0], np.linspace(0, 2, 20), np.zeros(20)], axis=1)
    found = LinearRecalibration().fit(x, y).predict(x)
    assert found[:, 0] == pytest.approx(y[:, 0])
    assert found[:, 1] == pytest.approx(1.0)
    assert np.isnan(found[:, 2]).all()


def test_boosting_learns_a_function_and_leaves_undefined_targets_out() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-2, 2, (900, 4))
    features[::7, 3] = np.nan
    clean = np.sin(2 * features[:, 0]) + features[:, 1] ** 2
    targets = np.stack([clean + rng.normal(0, 0.1, 900), np.where(clean > 1, np.nan, clean)], axis=1)
    model = BoostingBaseline().fit(features[:600], targets[:600])
    found = model.predict(features[600:])
    r2 = 1 - np.mean((found[:, 0] - clean[600:]) ** 2) / clean[600:].var()
    assert r2 > 0.93
    assert np.isfinite(found).all()
    with pytest.raises(UserError, match="at least 20"):
        BoostingBaseline().fit(features[:10], targets[:10])


class CountingCorpus:
    """Random images, and a count of how often one was asked for."""

    def __init__(self) -> None:
        self.recipe = SimpleNamespace(hash="abc", realism=Realism())
        self.pixel_size = np.full(30, 0.7)
        self.read: list[int] = []
        self.made_by = 1

    def indices(self) -> np.ndarray:
        return np.arange(30)

    def clean(self, index: int) -> np.ndarray:
        return np.full((1, 32, 32), float(self.made_by), np.float32)

    def noisy(self, index: int, realism: Realism | None = None) -> np.ndarray:
        self.read.append(index)
        rng = np.random.default_rng(index)
        y, x = np.mgrid[:32, :32] - rng.uniform(12, 20, 2)[:, None, None]
        return (0.05 * (np.hypot(y, x) < rng.uniform(4, 9)) + rng.normal(0, 1e-3, (32, 32)))[None]


def test_descriptors_are_kept_and_found_again(tmp_path) -> None:
    corpus = CountingCorpus()
    first, names = corpus_descriptors(corpus, np.array([3, 1, 7]), cache=tmp_path)
    assert sorted(corpus.read) == [1, 3, 7]
    second, same = corpus_descriptors(corpus, np.array([7, 2, 3]), cache=tmp_path)
    assert sorted(corpus.read) == [1, 2, 3, 7]
    assert names == same
    assert np.array_equal(second[[2, 0]], first[[0, 2]], equal_nan=True)
    corpus_descriptors(corpus, np.array([3]), Realism(gain=2.0), cache=tmp_path)
    assert corpus.read.count(3) == 2
    corpus.made_by = 2  # the same recipe, made by code that draws other aggregates
    corpus_descriptors(corpus, np.array([3]), cache=tmp_path)
    assert corpus.read.count(3) == 3
    corpus.made_by = 1
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    third, _ = corpus_descriptors(corpus, np.array([3, 1, 7]), cache=tmp_path)
    assert np.array_equal(third, first, equal_nan=True)

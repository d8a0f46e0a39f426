"""Estimators of textures: phase maps kept as bits, symmetries that keep an orientation, targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import heterostem
from learn.baselines import MeanBaseline
from learn.config import TrainingConfig
from learn.data import Samples
from learn.error_analysis import analyse
from learn.predictions import predict_corpus
from learn.symmetries import DIRECTIONS, symmetries_of, turned
from learn.targets import Target, TargetSet, column_values, default_targets
from learn.through_model import ParameterFiller
from learn.training import train
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.realism import Realism
from simulate.recipe import Recipe
from stochgeom.errors import UserError
from stochgeom.textures.measure import orientation_degrees

LINES: dict[str, Any] = {
    "schema": 1,
    "name": "few-lines",
    "kind": "texture",
    "samples": 160,
    "samples_per_shard": 32,
    "split": {"train": 5, "calibration": 1, "validation": 1, "test": 1},
    "texture": {
        "model": "lines",
        "shape": [28, 28],
        "count": [1, 3],
        "orientations": ["vertical", "horizontal", 45, 135],
        "length_nm": [12, 18],
        "thickness_nm": [2, 4],
        "gap_nm": 2,
    },
}
NAMES = ("volume_fraction", *DIRECTIONS, "count")


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Corpus:
    """A corpus of line textures. Read only."""
    out = tmp_path_factory.mktemp("corpora") / "lines"
    return Corpus.open(generate(Recipe.from_dict(LINES), out, progress=False))


def targets_of(corpus: Corpus, names=NAMES) -> TargetSet:
    return TargetSet.fit([Target.of(name) for name in names], column_values(corpus, names))


def test_the_usual_targets_leave_out_what_turns_over_or_repeats(lines):
    names = [target.name for target in default_targets(lines)]
    assert names == ["count", "volume_fraction", *DIRECTIONS, "length_nm", "thickness_nm"]
    with pytest.raises(UserError, match="target 'orientation_degrees' turns over at 180 degrees; accepted: "):
        column_values(lines, ["orientation_degrees"])


@pytest.mark.parametrize(
    ("name", "unit", "transform", "low"),
    [
        ("volume_fraction", "1", "identity", 0),
        ("orientation_sin2", "1", "identity", -1),
        ("asked_covariance_length_nm", "nm", "log", 0),
        ("intensity_per_nm2", "1/nm²", "log", 0),
        ("asked_orientation_spread_degrees", "°", "identity", -np.inf),
        ("contact_area_nm2", "nm²", "identity", 0),
    ],
)
def test_targets_have_the_units_and_bounds_of_their_columns(name, unit, transform, low):
    target = Target.of(name)
    assert (target.unit, target.transform, target.low) == (unit, transform, low)


def test_only_half_a_turn_keeps_an_orientation():
    assert symmetries_of(Realism(), (28, 28)) == tuple(range(8))
    assert symmetries_of(Realism(), (28, 28), ("volume_fraction", "orientation_sin2")) == (0, 3)
    rows, columns = np.mgrid[:40, :40]
    stripes = (np.sin((columns * np.cos(0.5) + rows * np.sin(0.5)) * 0.9) > 0).astype(np.uint8)
    found = orientation_degrees(stripes)
    for symmetry in range(8):
        same = abs(orientation_degrees(np.ascontiguousarray(turned(stripes, symmetry))) - found) < 2
        assert same == (symmetry in (0, 3)), symmetry


def test_batches_hold_the_phase_maps_of_their_samples(lines):
    samples = Samples(lines, "train", targets_of(lines), Realism())
    assert samples.in_memory
    truth = column_values(lines, NAMES)[samples.indices]
    phase = lines.phases(samples.indices).astype(np.float32)
    seen = 0
    for batch in samples.epoch(0, 16, seed=3):
        values = targets_of(lines).decode(batch.targets)
        for image, value in zip(batch.images, values, strict=True):
            matches = [
                row
                for row in range(len(phase))
                if any(np.array_equal(image[0], turned(phase[row], symmetry)) for symmetry in (0, 3))
            ]
            assert any(np.allclose(truth[row], value, atol=1e-5) for row in matches)
            seen += 1
    assert seen == len(samples)


def test_little_memory_gives_the_same_images_shard_by_shard(lines):
    targets = targets_of(lines)
    roomy, tight = (Samples(lines, "train", targets, Realism(), memory_gb=size) for size in (1, 1e-6))
    assert not tight.in_memory

    def sums(samples: Samples) -> list[float]:
        return sorted(float(image.sum()) for b in samples.epoch(1, 8, 0) for image in b.images)

    assert sums(roomy) == sums(tight)
    fixed = np.concatenate([batch.images for batch in roomy.fixed(16)])
    assert np.array_equal(fixed[:, 0], lines.phases(roomy.indices))


def test_realism_is_applied_to_phase_maps(lines):
    samples = Samples(lines, "train", targets_of(lines), Realism(electrons_per_pixel=20))
    batch = next(iter(samples.epoch(0, 16, seed=0)))
    assert len(np.unique(batch.images)) > 5


def test_training_and_predicting_on_textures(lines, tmp_path):
    config = TrainingConfig(targets=NAMES, epochs=12, batch_size=20, threads=1, device="cpu")
    estimator = train(lines, tmp_path / "model", config)
    assert estimator.config.symmetries == (0, 3)
    assert estimator.config.maps == 0
    found = predict_corpus(estimator, lines)
    assert found.truth is not None
    error = np.abs(found.found.value - found.truth).mean(axis=0)
    train_values = column_values(lines, NAMES)[lines.indices("train")]
    mean = MeanBaseline().fit(np.empty((len(train_values), 0)), train_values)
    baseline = np.abs(mean.predict(np.empty((len(found.truth), 0))) - found.truth).mean(axis=0)
    assert (error[:3] < 0.8 * baseline[:3]).all()  # volume fraction and orientation


def test_what_needs_aggregates_says_so_in_one_line(lines, tmp_path):
    with pytest.raises(UserError, match="reports are of aggregates; of textures there is heterostem predict"):
        analyse({}.fromkeys(["one"], tmp_path), lines)
    with pytest.raises(UserError, match="a corpus of kind texture holds no aggregates"):
        ParameterFiller.of_corpus(lines)


def test_the_command_trains_on_a_texture_corpus(lines, tmp_path, capsys):
    arguments = ["train", str(lines.path.parent), "--out", str(tmp_path / "m"), "--epochs", "1"]
    assert heterostem.run([*arguments, "--target", "volume_fraction", "--threads", "1"]) == 0
    assert "model:" in capsys.readouterr().out
    assert heterostem.run([*arguments, "--target", "colour", "--overwrite"]) == 1
    assert "target 'colour': no such column; accepted: asked_count_smallest," in capsys.readouterr().err

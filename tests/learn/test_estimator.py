import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.config import EstimatorConfig  # noqa: E402
from learn.estimator import Estimator  # noqa: E402
from learn.intervals import NORMAL_90  # noqa: E402
from learn.targets import Target, TargetSet  # noqa: E402
from learn.unlike import Cloud, Familiarity, pixel_statistics  # noqa: E402
from stochgeom.errors import UserError  # noqa: E402

NAMES = ("count", "number_fraction_A", "mixing_index")


def untrained(**config):
    rng = np.random.default_rng(0)
    targets = TargetSet.fit([Target.of(name) for name in NAMES], rng.uniform(0.2, 0.9, (20, 3)) * [100, 1, 1])
    options = {"shape": (32, 32), "outputs": 3, "maps": 5, **config}
    return Estimator.new(EstimatorConfig(**options), targets, seed=1, corpus="none", recipe_hash="ab")


@pytest.fixture
def whole():
    estimator, rng = untrained(), np.random.default_rng(1)
    features = rng.random((500, 256)) @ rng.standard_normal((256, 256))
    estimator.factors = np.array([1.5, np.inf, 2.0])
    pixels = pixel_statistics(rng.random((500, 1, 32, 32)))
    estimator.familiarity = Familiarity.fit((features[:400], pixels[:400]), (features[400:], pixels[400:]))
    return estimator


@pytest.fixture
def images():
    return np.random.default_rng(2).random((3, 1, 32, 32), dtype=np.float32) * 0.05


def test_a_loaded_estimator_predicts_the_same_numbers(whole, images, tmp_path):
    whole.save(tmp_path)
    loaded = Estimator.load(tmp_path)
    one, other = whole.predict(images, 0.5), loaded.predict(images, 0.5)
    for name in ("value", "sd", "lower", "upper", "unlike", "strangeness", "z", "z_sd"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert loaded.about == whole.about
    assert loaded.config == whole.config
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_first_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = untrained().network.mean.weight
    torch.manual_seed(6)
    state = torch.random.get_rng_state()
    assert torch.equal(first, untrained().network.mean.weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_intervals_are_the_scaled_sd_around_the_value(whole, images):
    whole.factors = np.array([1.0, 2.0, 3.0])
    found = whole.predict(images, 0.5)
    z = whole.targets.encode(found.upper).astype(float)
    inside = found.upper[:, 0] < 1e6
    assert np.allclose(z[inside, 0], (found.z + NORMAL_90 * found.z_sd)[inside, 0], atol=1e-4)
    raw = whole.standardised(images, np.log(np.full(3, 0.5, np.float32)))[1]
    assert np.allclose(found.z_sd, raw * [1.0, 2.0, 3.0] / NORMAL_90)
    assert np.all(found.lower <= found.value)
    assert np.all(found.value <= found.upper)


def test_symmetric_predictions_do_not_depend_on_the_pose(whole, images):
    estimator = untrained(symmetries=range(8))
    straight = estimator.predict(images, 0.5)
    other = estimator.predict(np.rot90(images, axes=(2, 3)).copy(), 0.5)
    assert np.allclose(straight.z, other.z, atol=1e-5)
    assert not np.allclose(estimator.predict(images, 0.5, symmetries=False).z, straight.z, atol=1e-5)


def test_batches_do_not_change_predictions(whole, images):
    assert np.allclose(
        whole.predict(images, 0.5).z, whole.predict(images, [0.5] * 3, batch_size=1).z, atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: x[:, 0], r"accepts \(n, 1, 32, 32\)"),
        (lambda x: np.concatenate([x, x], axis=1), r"accepts \(n, 1, 32, 32\)"),
        (lambda x: x[:, :, :30], r"accepts \(n, 1, 32, 32\)"),
        (lambda x: x[:0], r"accepts \(n, 1, 32, 32\)"),
        (lambda x: np.where(x > 0.04, np.nan, x), "not finite"),
        (lambda x: x + np.inf, "not finite"),
    ],
)
def test_bad_images_are_refused(whole, images, change, text):
    with pytest.raises(UserError, match=text):
        whole.predict(change(images), 0.5)


@pytest.mark.parametrize("pixel", [0.0, -1.0, np.nan, np.inf])
def test_impossible_pixel_sizes_are_refused(whole, images, pixel):
    with pytest.raises(UserError, match="pixel size"):
        whole.predict(images, pixel)


def test_no_model_another_version_and_other_json_are_named(whole, tmp_path):
    with pytest.raises(UserError, match=r"no model at .*model\.json"):
        Estimator.load(tmp_path / "nothing")
    whole.save(tmp_path)
    path = tmp_path / "model.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "format_version": 99}))
    with pytest.raises(UserError, match="format version 99; this version of heterostem reads 2"):
        Estimator.load(tmp_path)
    path.write_text('{"a": 1}')
    with pytest.raises(UserError, match="does not describe"):
        Estimator.load(tmp_path)
    path.write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        Estimator.load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        {"config": {"network": "small", "layers": 3}},
        {"targets": [{"name": "count"}]},
        {"interval_factors": ["wide"]},
        {"about": 3},
    ],
)
def test_a_damaged_description_is_refused(whole, tmp_path, damage):
    whole.save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(UserError, match="damaged or not whole"):
        Estimator.load(tmp_path)


def test_truncated_and_foreign_weights_are_refused(whole, tmp_path):
    whole.save(tmp_path)
    path = tmp_path / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(UserError, match="damaged"):
        Estimator.load(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="damaged"):
        Estimator.load(tmp_path)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("write", [lambda thing, path: path.write_bytes(pickle.dumps(thing)), torch.save])
def test_loading_never_unpickles(whole, tmp_path, write):
    model, trap = tmp_path / "model", tmp_path / "executed"
    whole.save(model)
    write(Malicious(trap), model / "model.safetensors")
    with pytest.raises(UserError):
        Estimator.load(model)
    assert not trap.exists()


def test_an_unwritable_folder_is_named(whole, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        whole.save(tmp_path / "file")


def test_a_crash_while_writing_leaves_no_model_that_looks_whole(whole, tmp_path, monkeypatch):
    whole.save(tmp_path)

    def crash(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("learn.model_files.save_file", crash)
    with pytest.raises(KeyboardInterrupt):
        whole.save(tmp_path)
    with pytest.raises(UserError, match="no model"):
        Estimator.load(tmp_path)


def test_familiar_share_and_strangers():
    rng = np.random.default_rng(3)
    mixing = rng.standard_normal((20, 20))
    features = rng.standard_normal((9000, 20)) @ mixing
    cloud = Cloud.fit(features[:2000], features[2000:5000])
    far = (cloud.distance(features[5000:]) > cloud.limit).mean()
    # 1 in 400 of 4 000, set by another 3 000: standard error 0.12 %
    assert abs(far - 0.0025) < 4 * 0.0012
    assert np.all(cloud.distance(features[:50] + 8 * mixing[0]) > cloud.limit)
    # Shrinking the covariance makes familiar distances a little smaller than one.
    assert 0.9 < np.sqrt(np.mean(cloud.distance(features[:2000]) ** 2)) < 1.0


def test_pixel_statistics_ignore_gain_and_offset_and_know_simple_images():
    rng = np.random.default_rng(4)
    images = rng.random((5, 2, 40, 30))
    one = pixel_statistics(images)
    assert one.shape == (5, 8)
    assert np.allclose(one, pixel_statistics(7 * images - 2), rtol=1e-9, atol=1e-12)
    # White noise: half of the pixels above the mean, no correlation (standard error 1 / sqrt(2 * 1200)).
    assert np.all(np.abs(one[:, 1] - 0.5) < 0.06)
    assert np.all(np.abs(one[:, 2:4]) < 0.1)
    assert np.array_equal(pixel_statistics(np.zeros((1, 1, 16, 16))), [[np.log(1e-2), 0, 0, 0]])
    step = np.zeros((1, 1, 16, 16))
    step[..., 8:, :] = 1.0  # second differences of +-1 in two of 14 rows
    assert pixel_statistics(step)[0, :2] == pytest.approx([np.log(1 / (2 / 14 / 2)), 0.5])


def test_either_look_flags_an_image():
    rng = np.random.default_rng(5)
    points = [(rng.standard_normal((n, 6)), rng.standard_normal((n, 4))) for n in (500, 500, 3)]
    familiarity = Familiarity.fit(points[0], points[1])
    features, pixels = points[2][0] * 0.1, points[2][1] * 0.1
    moves = np.array([[0], [50], [0]]), np.array([[0], [0], [50]])
    far = familiarity.strangeness(features + moves[0], pixels + moves[1])
    assert list(far > 1) == [False, True, True]

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.checkpoint import Progress  # noqa: E402
from learn.config import EstimatorConfig, TrainingConfig  # noqa: E402
from learn.data import Batch, recorded  # noqa: E402
from learn.estimator import Estimator  # noqa: E402
from learn.intervals import coverage  # noqa: E402
from learn.training import settle_norms, train  # noqa: E402
from simulate.realism import Realism  # noqa: E402
from stochgeom.errors import UserError  # noqa: E402

QUICK = {"targets": ("brightness",), "epochs": 3, "batch_size": 32, "threads": 1}


def recordings(corpus, split):
    rows = corpus.indices(split)
    return rows, np.stack(
        [recorded(corpus, corpus.images[i], int(i), corpus.recipe.realism, 0) for i in rows]
    )


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_mean_sd_and_coverage_agree_with_the_exact_posterior(memory_corpus, tmp_path):
    """A linear-Gaussian problem: the estimator must find the posterior mean, its sd, and 90 % coverage."""
    corpus = memory_corpus(1800, noise=0.03)
    config = TrainingConfig(
        targets=("brightness",),
        epochs=9,
        batch_size=32,
        learning_rate=3e-3,
        noise_refresh_epochs=1,
        threads=1,
        variance_weight=0.5,
    )
    estimator = train(corpus, tmp_path, config)
    rows, images = recordings(corpus, "test")
    exact, exact_sd = corpus.posterior(images)
    found = estimator.predict(images, 0.5)
    prior_sd = 0.01
    # What the network adds to the irreducible error: its own, well below the posterior's width.
    own_error = np.sqrt(np.mean((found.value[:, 0] - exact) ** 2))
    assert own_error < 0.35 * exact_sd
    assert np.median(found.sd) == pytest.approx(exact_sd, rel=0.15)
    truth = corpus.brightness[rows]
    r2 = 1 - np.mean((found.value[:, 0] - truth) ** 2) / prior_sd**2
    assert r2 > 0.85 * (1 - exact_sd**2 / prior_sd**2)
    # Calibration and test are 300 samples each, so the standard error of the coverage is 2.45 %.
    assert abs(coverage(truth[:, None], found.lower, found.upper)[0] - 0.9) < 4 * 0.0245


@pytest.mark.parametrize("interrupted_after", [1, 2])
def test_a_resumed_run_ends_with_the_same_numbers(memory_corpus, tmp_path, interrupted_after):
    corpus, config = memory_corpus(200, side=16), TrainingConfig(**QUICK)
    whole = train(corpus, tmp_path / "whole", config)

    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == interrupted_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path / "parts", config, tell=stop)
    assert not (tmp_path / "parts" / "model.json").exists()
    parts = train(corpus, tmp_path / "parts", config)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, parts.network.state_dict()[name]), name
    assert np.array_equal(whole.factors, parts.factors)
    losses = [[line["training_loss"] for line in metrics(tmp_path / run)] for run in ("whole", "parts")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3


def test_a_finished_run_is_loaded_and_a_new_start_forgets_it(memory_corpus, tmp_path):
    corpus, config = memory_corpus(120, side=16), TrainingConfig(**QUICK)
    first = train(corpus, tmp_path, config)
    written = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = train(corpus, tmp_path, config)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == written
    assert torch.equal(first.network.mean.weight, again.network.mean.weight)
    train(corpus, tmp_path, config, resume=False)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns != written
    assert len(metrics(tmp_path)) == 3


def test_a_run_of_another_configuration_is_not_continued(memory_corpus, tmp_path):
    corpus = memory_corpus(120, side=16)
    train(corpus, tmp_path, TrainingConfig(**QUICK))
    with pytest.raises(UserError, match="batch_size was 32, is 16"):
        train(corpus, tmp_path, TrainingConfig(**{**QUICK, "batch_size": 16}))


def test_a_damaged_checkpoint_is_named(memory_corpus, tmp_path):
    corpus = memory_corpus(120, side=16)
    train(corpus, tmp_path, TrainingConfig(**QUICK))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        train(corpus, tmp_path, TrainingConfig(**QUICK))


def test_a_small_set_can_be_learnt_by_heart(particle_corpus, tmp_path):
    corpus = particle_corpus(60)
    corpus.recipe.realism = Realism()
    corpus._splits[:] = np.repeat([0, 1, 2, 3], [30, 10, 10, 10])
    config = TrainingConfig(
        targets=("count", "fraction_light"),
        epochs=40,
        batch_size=10,
        weight_decay=0.0,
        threads=1,
        map_weight=1.0,
    )
    estimator = train(corpus, tmp_path, config)
    assert estimator.config.maps == 9
    rows = corpus.indices("train")
    found = estimator.predict(corpus.images[rows], 0.5)
    truth = np.column_stack([corpus.column(name)[rows] for name in estimator.names])
    r2 = 1 - ((found.value - truth) ** 2).mean(0) / truth.var(0)
    assert np.all(r2 > 0.8)
    losses = [line["training_loss"] for line in metrics(tmp_path)]
    assert losses[-1] < 0.3 * losses[0]


def test_undefined_truths_are_masked(memory_corpus, tmp_path):
    corpus = memory_corpus(200, side=16)
    estimator = train(
        corpus, tmp_path, TrainingConfig(**{**QUICK, "targets": ("undefined_for_odd", "brightness")})
    )
    assert np.isfinite(estimator.factors).all()
    assert all(np.isfinite(line["training_loss"]) for line in metrics(tmp_path))


def test_a_model_for_unknown_gain_starts_from_another(memory_corpus, tmp_path):
    corpus = memory_corpus(200, side=16)
    first = train(corpus, tmp_path / "recipe", TrainingConfig(**QUICK))
    options = {
        **QUICK,
        "gain": "unknown",
        "init": str(tmp_path / "recipe"),
        "learning_rate": 1e-9,
        "epochs": 1,
    }
    second = train(corpus, tmp_path / "unknown", TrainingConfig(**options))
    assert second.config.intensity == "relative"
    assert second.about["realism"]["gain"]["low"] == 0.1
    assert torch.allclose(first.network.mean.weight, second.network.mean.weight, atol=1e-6)
    images = corpus.images[:5]
    assert np.allclose(second.predict(images, 0.5).z, second.predict(5 * images, 0.5).z, atol=1e-4)
    with pytest.raises(UserError, match="start from"):
        train(corpus, tmp_path / "other", TrainingConfig(**{**options, "targets": ("undefined_for_odd",)}))


def test_the_budget_shortens_the_schedule():
    config = TrainingConfig(epochs=10, minutes=1.0)
    progress = Progress(identity={})
    ends = []
    while not progress.done:
        first, last = progress.next_share(config)
        assert first == progress.share
        progress.advance(last, seconds=13.0)
        ends.append(last)
    # One epoch shows the pace; 47 s hold three more, and the schedule ends exactly with the last.
    assert ends == pytest.approx([0.1, 0.4, 0.7, 1.0])
    assert ends[-1] == 1.0


def test_without_a_budget_epochs_are_equal_shares():
    progress, config = Progress(identity={}), TrainingConfig(epochs=4)
    ends = []
    while not progress.done:
        last = progress.next_share(config)[1]
        progress.advance(last, seconds=1e6)
        ends.append(last)
    assert ends == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_settled_norms_predict_as_in_training():
    network = Estimator.new(EstimatorConfig(shape=(32, 32), outputs=2), targets=None, seed=0).network
    rng = np.random.default_rng(0)
    images, pixels = rng.random((64, 1, 32, 32), dtype=np.float32) * 0.05, np.zeros(64, np.float32)
    for module in network.modules():  # statistics of other weights
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(3.0)
            module.running_var.fill_(0.2)
    batch = Batch(images, pixels, np.zeros((64, 2), np.float32), None)
    settle_norms(network, [batch] * 3, TrainingConfig(precision="float32"), torch.device("cpu"))
    inputs = (torch.from_numpy(images), torch.from_numpy(pixels))
    with torch.no_grad():
        training, settled = network(*inputs).mean, network.eval()(*inputs).mean
    # Running variances are unbiased, those within a batch are not: 1 / (64 x 4) at the coarsest.
    assert torch.allclose(training, settled, atol=0.02 * training.std().item())
    assert all(m.momentum == 0.1 for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_images_too_small_for_the_network_are_refused(memory_corpus, tmp_path):
    with pytest.raises(UserError, match="8 x 8 pixels"):
        train(memory_corpus(120, side=8), tmp_path, TrainingConfig(**QUICK))


def test_an_unwritable_folder_is_named_before_any_work(memory_corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        train(memory_corpus(120, side=16), tmp_path / "file" / "run", TrainingConfig(**QUICK))


def test_impossible_devices_are_refused(memory_corpus, tmp_path):
    with pytest.raises(UserError, match="accepted: auto"):
        train(memory_corpus(120, side=16), tmp_path, TrainingConfig(**{**QUICK, "device": "abacus"}))


@pytest.mark.cuda
def test_training_on_cuda_resumes_too(memory_corpus, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    train(memory_corpus(120, side=16), tmp_path, TrainingConfig(**{**QUICK, "device": "cuda"}))
    loaded = Estimator.load(tmp_path)
    assert np.isfinite(loaded.predict(np.ones((1, 1, 16, 16)), 0.5).value).all()


def test_a_model_without_its_checkpoint_is_not_taken_for_the_new_one(memory_corpus, tmp_path):
    corpus = memory_corpus(64)
    train(corpus, tmp_path, TrainingConfig(targets=("brightness",), epochs=1, threads=1))
    (tmp_path / "checkpoint.safetensors").unlink()
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(UserError, match="without the checkpoint"):
        train(corpus, tmp_path, TrainingConfig(targets=("brightness",), epochs=1, threads=1, seed=5))
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before

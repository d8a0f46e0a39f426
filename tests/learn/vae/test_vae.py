import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.spatial_statistics import statistics_distance  # noqa: E402
from learn.texture_analysis.texture_set import draw_textures, textures_of_arrays  # noqa: E402
from learn.vae import VAE, VAEConfig, VAETraining, train_vae  # noqa: E402
from learn.vae.training import wraps  # noqa: E402
from stochgeom.errors import UserError  # noqa: E402
from stochgeom.textures import GaussianFieldParameters, LineTextureParameters  # noqa: E402

QUICK = {"epochs": 4, "epoch_images": 64, "batch_size": 16, "threads": 1, "width": 32, "channels": 8,
         "profiles": 4, "latent_size": 3}  # fmt: skip


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(line_sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    return train_vae(*line_sets, folder, VAETraining(**{**QUICK, "epochs": 30, "epoch_images": 320})), folder


def test_training_learns_statistics_and_keeps_what_it_measured(trained, line_sets):
    vae, folder = trained
    found = lines_of(folder)
    assert len(found) == 30
    assert found == vae.history
    # Better than half of what a picture without anything reaches.
    test = line_sets[1].pictures()
    spectra = np.abs(np.fft.fft2(test)) ** 2
    white = float((np.fft.ifft2(spectra / test[0].size).real ** 2).mean())
    assert found[-1]["validation_f_mse"] < 0.5 * white
    assert found[-1]["validation_f_mse"] < found[0]["validation_f_mse"]
    assert vae.about["training"]["images"] == 30 * 320


def test_a_saved_model_gives_the_same_numbers(trained, line_sets):
    vae, folder = trained
    images = line_sets[1].pictures(slice(0, 5))
    again = VAE.load(folder)
    np.testing.assert_array_equal(vae.reconstruct(images), again.reconstruct(images))
    np.testing.assert_array_equal(vae.sample(3, seed=1), again.sample(3, seed=1))
    assert not np.array_equal(vae.sample(3, seed=1), vae.sample(3, seed=2))
    assert again.settings == vae.settings


def test_what_the_latent_numbers_are_used_for(trained, line_sets):
    vae, _ = trained
    one, other = line_sets[1].pictures(slice(0, 2))
    mean, sd = vae.encode(one)
    assert mean.shape == sd.shape == (1, 3)
    assert (sd > 0).all()
    assert vae.kl(np.stack([one, other])).shape == (2, 3)
    path = vae.interpolate(one, other, steps=5)
    np.testing.assert_allclose(path[[0, -1]], vae.reconstruct(np.stack([one, other])), atol=1e-5)
    walk = vae.traverse(mean[0], 1, [mean[0, 1], 2.0])
    np.testing.assert_allclose(walk[0], vae.decode(mean)[0], atol=1e-5)
    assert vae.traverse(mean[0], 2).shape == (7, *vae.shape)


def test_a_run_stopped_between_epochs_ends_like_one_that_was_not(line_sets, tmp_path):
    config = VAETraining(**QUICK)
    train_vae(*line_sets, tmp_path / "whole", config)
    said = []

    class Stop(Exception):
        pass

    def stop(line):
        said.append(line)
        if len(said) == 2:
            raise Stop

    with pytest.raises(Stop):
        train_vae(*line_sets, tmp_path / "parts", config, tell=stop)
    train_vae(*line_sets, tmp_path / "parts", config)
    first, second = (
        [line["training_loss"] for line in lines_of(tmp_path / run)] for run in ("whole", "parts")
    )
    assert first == pytest.approx(second, rel=1e-6)


def test_runs_of_other_settings_or_textures_are_not_gone_on_with(line_sets, tmp_path):
    train_vae(*line_sets, tmp_path, VAETraining(**{**QUICK, "epochs": 1}))
    with pytest.raises(UserError, match=r"beta was 1\.0, is 2\.0"):
        train_vae(*line_sets, tmp_path, VAETraining(**{**QUICK, "epochs": 1, "beta": 2.0}))
    with pytest.raises(UserError, match="another run"):
        train_vae(line_sets[1], line_sets[1], tmp_path, VAETraining(**{**QUICK, "epochs": 1}))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((40, 32, 32), np.uint8), "all alike, or empty"),
        (np.ones((40, 32, 32), np.uint8), "all alike, or empty"),
        (np.eye(8, dtype=np.uint8)[None].repeat(40, 0), "sides of 16 or more"),
        (np.eye(32, dtype=np.uint8)[None].repeat(4, 0), "at least a batch"),
    ],
)
def test_images_that_teach_nothing_are_refused(images, words, tmp_path):
    textures = textures_of_arrays(images)
    with pytest.raises(UserError, match=words):
        train_vae(textures, textures, tmp_path, VAETraining(**QUICK))
    assert not (tmp_path / "model.json").exists()


def test_wrong_images_and_latents_are_refused_in_one_line(trained):
    vae, _ = trained
    for images, words in (
        (np.zeros((2, 3, 4)), "accepts"),
        (np.full((2, 40, 36), 1.5), "outside 0 to 1"),
        (np.full((2, 40, 36), np.nan), "outside 0 to 1"),
    ):
        with pytest.raises(UserError, match=words):
            vae.encode(images)
    with pytest.raises(UserError, match=r"accepted: \(n, 3\)"):
        vae.decode(np.zeros((1, 4)))
    with pytest.raises(UserError, match="0 to 2"):
        vae.traverse(np.zeros(3), 3)


def test_a_data_space_autoencoder_keeps_pixels(line_sets, tmp_path):
    vae = train_vae(
        *line_sets, tmp_path, VAETraining(**{**QUICK, "epochs": 12, "epoch_images": 320, "loss": "pixels"})
    )
    assert vae.config.encoder == "image"
    figures = [line["validation_pixel_mse"] for line in vae.history]
    assert figures[-1] < figures[0]


def test_damaged_models_are_named(trained, tmp_path):
    vae, _ = trained
    vae.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged or not whole"):
        VAE.load(tmp_path)
    (tmp_path / "model.json").write_text('{"format": "heterostem estimator"}')
    with pytest.raises(UserError, match="does not describe"):
        VAE.load(tmp_path)


def test_untrained_weights_depend_on_the_seed_alone():
    config = VAEConfig(shape=(20, 20), latent_size=2, width=16, channels=8, profiles=4)
    first, second, third = (VAE.new(config, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.sample(2), second.sample(2))
    assert not np.array_equal(first.sample(2), third.sample(2))


@pytest.mark.parametrize("known", [True, False])
def test_lines_stay_inside_and_what_reaches_all_borders_moves_round_the_torus(known):
    lines = LineTextureParameters(shape=(48, 48), length_nm=(20, 30), thickness_nm=(3, 4), gap_nm=4)
    field = GaussianFieldParameters(shape=(48, 48), periodic=False)
    for parameters, moved in ((lines, False), (field, True)):
        drawn = draw_textures(parameters, 20, seed=1)
        textures = drawn if known else textures_of_arrays(drawn.pictures())
        assert wraps(textures, torch.from_numpy(textures.pictures())) is moved


def test_refined_latents_are_better_by_the_objective_and_remembered(trained, line_sets):
    _, folder = trained
    vae = VAE.load(folder)
    images = line_sets[1].pictures(slice(0, 20))
    plain_mean, plain_sd = vae.encode(images)
    plain = vae.reconstruct(images)
    vae.refine = 30
    mean, sd = vae.encode(images)
    np.testing.assert_array_equal(sd, plain_sd)
    assert not np.array_equal(mean, plain_mean)
    originals = torch.from_numpy(images)
    before, after = (
        float(statistics_distance(torch.from_numpy(found), originals).mean())
        for found in (plain, vae.reconstruct(images))
    )
    assert after < before
    np.testing.assert_array_equal(vae.encode(images[3:5])[0], mean[3:5])
    vae.refine = 0
    np.testing.assert_array_equal(vae.encode(images)[0], plain_mean)
    untrained = VAE.new(vae.config)
    untrained.refine = 3
    with pytest.raises(UserError, match="units"):
        untrained.encode(images)


def test_refinement_leaves_the_weights_alone(trained, line_sets):
    _, folder = trained
    vae = VAE.load(folder)
    before = {name: value.clone() for name, value in vae.network.state_dict().items()}
    vae.refine = 5
    vae.encode(line_sets[1].pictures(slice(0, 4)))
    assert all(torch.equal(value, before[name]) for name, value in vae.network.state_dict().items())
    assert all(parameter.grad is None for parameter in vae.network.parameters())


@pytest.mark.parametrize("decoder", ["profiles", "convolutions"])
def test_nothing_is_no_batch(decoder):
    config = VAEConfig(shape=(17, 45), width=16, channels=8, latent_size=2, decoder=decoder)
    vae = VAE.new(config)
    for ask in (
        lambda: vae.sample(0),
        lambda: vae.sample(-1),
        lambda: vae.decode(np.empty((0, 2))),
        lambda: vae.encode(np.empty((0, 17, 45))),
    ):
        with pytest.raises(UserError, match=r"accepted|accepts"):
            ask()
    assert vae.sample(1).shape == (1, 17, 45)

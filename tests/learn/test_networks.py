import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.config import EstimatorConfig  # noqa: E402
from learn.networks import Intensity, Output, build_network, loss_of  # noqa: E402
from stochgeom.errors import UserError  # noqa: E402


@pytest.mark.parametrize(
    ("network", "channels", "shape", "maps"),
    [
        ("small", 1, (64, 64), 9),
        ("small", 3, (50, 70), 0),
        ("resnet18", 2, (64, 64), 0),
        ("convnext_tiny", 1, (64, 48), 0),
    ],
)
def test_shapes(network, channels, shape, maps):
    config = EstimatorConfig(
        network=network, channels=channels, shape=shape, levels=(0.02,) * channels, outputs=5, maps=maps
    )
    output = build_network(config).eval()(torch.rand(2, channels, *shape), torch.zeros(2))
    assert output.mean.shape == output.log_variance.shape == (2, 5)
    assert output.features.dtype == torch.float32
    if maps:
        assert output.maps.shape == (2, maps, 8, 8)
        assert (output.maps >= 0).all()


def test_every_parameter_of_small_is_taught():
    network = build_network(EstimatorConfig(shape=(32, 32), outputs=2, maps=3))
    output = network(torch.rand(4, 1, 32, 32) * 0.05, torch.rand(4))
    loss_of(output, torch.randn(4, 2), torch.rand(4, 3, 4, 4), 1.0, 1.0).backward()
    untaught = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    # The last layer of the variance starts at zero, so what lies before it has no gradient in the first step.
    assert set(untaught) <= {"log_variance.0.weight", "log_variance.0.bias"}


def test_unknown_networks_name_what_exists():
    with pytest.raises(UserError, match=r"accepted: small, .*resnet18"):
        build_network(EstimatorConfig(network="resnet99"))
    with pytest.raises(UserError, match="maps"):
        build_network(EstimatorConfig(network="resnet18", maps=2))


def test_relative_intensity_drops_gain_and_offset():
    intensity = Intensity(EstimatorConfig(intensity="relative"))
    image = torch.rand(3, 1, 32, 32, dtype=torch.float64) ** 3
    expected = intensity(image)
    for gain, offset in ((0.1, 0.0), (7.0, 0.0), (3.0, 0.5)):
        # Near the background the square root magnifies rounding.
        assert torch.allclose(intensity(gain * image + offset), expected, atol=1e-6)


def test_absolute_intensity_keeps_the_level_and_both_signs():
    intensity = Intensity(EstimatorConfig(levels=(0.04,)))
    image = torch.tensor([0.0, 0.01, 0.04, -0.01]).view(1, 1, 2, 2)
    assert torch.allclose(intensity(image).flatten(), torch.tensor([0.0, 0.5, 1.0, -0.5]))


def test_a_blank_image_stays_finite():
    for kind in ("absolute", "relative"):
        network = build_network(EstimatorConfig(intensity=kind, shape=(32, 32))).eval()
        assert torch.isfinite(network(torch.zeros(1, 1, 32, 32), torch.zeros(1)).mean).all()


def made(mean, log_variance, maps=None):
    return Output(mean, log_variance, torch.zeros(len(mean), 1), maps)


def test_undefined_targets_neither_count_nor_teach():
    mean = torch.zeros(2, 2, requires_grad=True)
    log_variance = torch.zeros(2, 2, requires_grad=True)
    targets = torch.tensor([[1.0, float("nan")], [float("nan"), 3.0]])
    loss = loss_of(made(mean, log_variance), targets, None, 0.0, 0.0)
    loss.backward()
    assert loss.item() == pytest.approx((1 + 9) / 2)
    assert mean.grad.tolist() == [[-1, 0], [0, -3]]


def test_the_stated_variance_is_taught_to_be_the_mean_squared_error():
    errors = torch.tensor(np.random.default_rng(0).normal(0, 0.3, (4000, 1)), dtype=torch.float32)
    log_variance = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_variance], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(made(errors, log_variance.expand(4000, 1)), torch.zeros(4000, 1), None, 1.0, 0.0)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert log_variance.exp().item() == pytest.approx((errors**2).mean().item(), rel=1e-3)


def test_the_means_do_not_feel_the_variances():
    targets, gradients = torch.randn(8, 2), []
    for spread in (-3.0, 3.0):
        mean = torch.zeros(8, 2, requires_grad=True)
        loss_of(made(mean, torch.full((8, 2), spread)), targets, None, 1.0, 0.0).backward()
        gradients.append(mean.grad)
    assert torch.equal(*gradients)


def test_map_loss_is_least_where_maps_agree():
    truth = torch.rand(2, 3, 4, 4) * (torch.rand(2, 3, 4, 4) > 0.5)
    zero = torch.zeros(2, 1)

    def loss(maps):
        return loss_of(made(zero, zero, maps), zero, truth, 0.0, 1.0).item()

    assert loss(truth) == pytest.approx(0, abs=1e-3)
    assert loss(truth) < min(loss(truth * 1.1 + 0.02), loss(truth * 0.9), loss(truth.flip(3)))


@pytest.mark.parametrize("side", [32, 36, 44])
def test_padding_keeps_mirror_symmetry(side):
    """What is padded stands on both sides alike: mirroring the weights and the image mirrors the maps."""
    network = build_network(EstimatorConfig(shape=(side, side), outputs=2, maps=3)).eval()
    seen = []
    network.trunk.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = torch.rand(1, 1, side, side)
    with torch.inference_mode():
        for view in (image, image.flip(3)):
            network(view, torch.zeros(1))
    assert torch.equal(seen[0].flip(3), seen[1])

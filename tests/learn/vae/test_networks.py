import pytest

torch = pytest.importorskip("torch")

from learn.vae.config import VAEConfig, VAETraining  # noqa: E402
from learn.vae.losses import Scatter, alignment_weight, divergence, terms_of, total  # noqa: E402
from learn.vae.network import VAENetwork  # noqa: E402


def network(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAENetwork(
            VAEConfig(**{"latent_size": 3, "width": 16, "channels": 8, "profiles": 4, **options})
        )


def images(shape, count=4):
    return (torch.rand(count, *shape, generator=torch.Generator().manual_seed(1)) > 0.7).float()


@pytest.mark.parametrize("decoder", ["profiles", "convolutions"])
@pytest.mark.parametrize("encoder", ["statistics", "image"])
@pytest.mark.parametrize("shape", [(16, 16), (33, 20), (17, 40), (70, 96)])
def test_every_shape_goes_through_and_every_weight_learns(shape, encoder, decoder):
    net = network(shape=shape, encoder=encoder, decoder=decoder)
    originals = images(shape)
    with torch.no_grad():
        net.encoder.fit(originals)
    found, laws = net(originals, torch.randn(4, 3))
    assert found.shape == originals.shape
    assert float(found.detach().min()) >= 0
    assert float(found.detach().max()) <= 1
    assert laws[0].shape == laws[1].shape == (4, 3)
    scatter = Scatter(1.0, 1.0)
    terms = terms_of(originals, found, laws, VAETraining(), 0.5, scatter, periodic=True)
    total(terms, VAETraining(), 0.5).mean().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_the_statistics_encoder_does_not_see_where_things_lie():
    net = network(shape=(24, 30), encoder="statistics")
    originals = images((24, 30))
    moved = torch.roll(originals, (5, -7), (1, 2))
    for one, other in ((originals, moved), (originals, originals.flip(1, 2))):
        torch.testing.assert_close(net.encoder(one)[0], net.encoder(other)[0], rtol=1e-4, atol=1e-5)


def test_the_divergence_is_that_of_torch():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    law = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_a_perfect_reconstruction_that_was_moved_costs_nothing_but_the_divergence():
    originals = images((20, 22))
    laws = (torch.zeros(4, 3), torch.zeros(4, 3))
    moved = torch.roll(originals, (3, 4), (1, 2))
    for config, cost in ((VAETraining(), 0.0), (VAETraining(loss="pixels"), 1.0)):
        terms = terms_of(originals, moved, laws, config, 0.2, Scatter(1.0, 1.0), periodic=True)
        assert bool((total(terms, config, 0.2) > 1e-3).all()) == bool(cost)


@pytest.mark.parametrize("by", ["parseval", "f"])
@pytest.mark.parametrize("indicator", ["linear", "gaussian"])
def test_both_ways_and_both_indicators_have_a_gradient_where_an_image_is_white(by, indicator):
    config = VAETraining(by=by, indicator=indicator, alignment=0, alignment_end=0)
    found = torch.full((2, 16, 18), 0.02, requires_grad=True)
    laws = (torch.zeros(2, 3), torch.zeros(2, 3))
    terms = terms_of(images((16, 18), 2), found, laws, config, 0.1, Scatter(1e-4, 1.0), periodic=True)
    total(terms, config, 0.1).sum().backward()
    assert torch.isfinite(found.grad).all()
    assert float(found.grad.abs().mean()) > 1e-6


def test_the_schedule_of_the_leading_term():
    config = VAETraining(alignment=10, alignment_end=2, alignment_hold=0.4)
    assert alignment_weight(config, 0.1) == alignment_weight(config, 0.4) == 10
    assert alignment_weight(config, 1.0) == pytest.approx(2)
    assert alignment_weight(config, 0.7) == pytest.approx(6)
    assert alignment_weight(VAETraining(loss="pixels"), 0.1) == 0
    assert alignment_weight(VAETraining(alignment=0), 1.0) == 0

"""A small corpus in memory, with the interface of the reader, and the same problem's exact answer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from simulate.realism import Realism


class MemoryCorpus:
    """Images of a known pattern; its brightness is the target: image = background + brightness * pattern."""

    def __init__(self, samples=400, side=16, noise=0.01, seed=0, realism=None, pattern=None, brightness=None):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        self.pattern = np.exp(-(x**2 + y**2) / (2 * (side / 5) ** 2)) if pattern is None else pattern
        drawn = 0.1 + 0.01 * rng.standard_normal(samples)
        self.brightness = drawn if brightness is None else brightness
        self.noise, self.background = noise, 0.05
        self.images = (self.background + self.brightness[:, None, None, None] * self.pattern).astype(
            np.float32
        )
        self.pixel_size = np.full(samples, 0.5)
        self.parameter_names, self.descriptor_names = ("brightness", "constant"), ("undefined_for_odd",)
        self._columns = {
            "brightness": self.brightness,
            "constant": np.ones(samples),
            "undefined_for_odd": np.where(np.arange(samples) % 2, np.nan, self.brightness),
        }
        self.channel_names = ("HAADF",)
        self.recipe = SimpleNamespace(
            name="memory",
            hash="0" * 64,
            seed=seed,
            realism=realism or Realism(readout_noise=noise),
            species_names=(),
        )
        # In order: six tenths train, then validation, calibration, test.
        self._splits = np.repeat([0, 1, 2, 3], [samples - 3 * (samples // 6), *[samples // 6] * 3])

    def column(self, name):
        return self._columns[name]

    def indices(self, split):
        return np.flatnonzero(self._splits == ["train", "validation", "calibration", "test"].index(split))

    def posterior(self, images):
        """Mean (n,), sd of the brightness given recorded images (n, 1, y, x): the linear-Gaussian formula."""
        precision = 1 / 0.01**2 + np.sum(self.pattern**2) / self.noise**2
        projected = np.tensordot(images[:, 0] - self.background, self.pattern, 2)
        return (0.1 / 0.01**2 + projected / self.noise**2) / precision, precision**-0.5


@pytest.fixture
def memory_corpus():
    """The class, to be made with the sizes that a test needs."""
    return MemoryCorpus


class ParticleCorpus(MemoryCorpus):
    """Discs of two species on an empty field: with particles, so that density maps are learnt as well."""

    def __init__(self, samples=120, side=32, seed=0):
        super().__init__(samples, side, seed=seed, realism=Realism(electrons_per_pixel=2000))
        rng = np.random.default_rng(seed)
        self.n_particles = rng.integers(2, 7, samples)
        self.particles = np.full((samples, 7, 11), np.nan, np.float32)
        y, x = (np.mgrid[:side, :side] - (side - 1) / 2) * 0.5
        self.images = np.zeros((samples, 1, side, side), np.float32)
        for sample, count in enumerate(self.n_particles):
            table = self.particles[sample, :count]
            table[:, :2] = rng.uniform(-5, 5, (count, 2))
            table[:, 2], table[:, 3], table[:, 4] = 0, rng.uniform(1, 2, count), rng.integers(0, 2, count)
            for px, py, _, radius, species in table[:, :5]:
                inside = np.maximum(radius**2 - (x - px) ** 2 - (y - py) ** 2, 0)
                self.images[sample, 0] += (0.01 + 0.03 * species) * np.sqrt(inside)
        self.recipe.species_names = ("light", "heavy")
        self.parameter_names, self.descriptor_names = ("fraction_light", "fraction_heavy"), ("count",)
        heavy = np.nanmean(self.particles[:, :, 4], axis=1)
        self._columns = {
            "count": self.n_particles.astype(float),
            "fraction_light": 1 - heavy,
            "fraction_heavy": heavy,
        }


@pytest.fixture
def particle_corpus():
    """The class, to be made with the sizes that a test needs."""
    return ParticleCorpus

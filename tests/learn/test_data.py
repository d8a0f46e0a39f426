import numpy as np
import pytest

from learn.data import Samples, ahead, recorded, with_gain
from learn.symmetries import turned
from learn.targets import Target, TargetSet, column_values
from simulate.realism import Realism
from stochgeom.errors import UserError


def samples_of(corpus, split="train", memory_gb=4.0, maps=False, names=("brightness",)):
    targets = TargetSet.fit([Target.of(name) for name in names], column_values(corpus, names))
    return Samples(corpus, split, targets, corpus.recipe.realism, maps=maps, memory_gb=memory_gb)


def all_targets(batches):
    return np.concatenate([batch.targets[:, 0] for batch in batches])


@pytest.mark.parametrize("memory_gb", [4.0, 1e-9])
def test_an_epoch_holds_every_sample_once_in_an_order_of_its_own(memory_corpus, memory_gb):
    samples = samples_of(memory_corpus(2000), memory_gb=memory_gb)
    assert samples.in_memory == (memory_gb == 4.0)
    first, second = (all_targets(samples.epoch(epoch, 32, seed=1)) for epoch in (0, 1))
    assert np.array_equal(np.sort(first), np.sort(samples.targets[:, 0]))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("memory_gb", [4.0, 1e-9])
def test_epochs_are_functions_of_seed_and_number(memory_corpus, memory_gb):
    corpus = memory_corpus(600)
    kept = samples_of(corpus, memory_gb=memory_gb)
    list(kept.epoch(0, 32, seed=1, refresh_epochs=3))
    # The second starts at epoch 1, as a resumed run does.
    pairs = zip(
        kept.epoch(1, 32, 1, 3), samples_of(corpus, memory_gb=memory_gb).epoch(1, 32, 1, 3), strict=True
    )
    for one, other in pairs:
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.targets, other.targets)


def test_streaming_mixes_whole_groups_only(memory_corpus):
    samples = samples_of(memory_corpus(2000), memory_gb=1e-9)
    assert len(samples._groups) > 2
    assert np.array_equal(np.concatenate(samples._groups), np.arange(len(samples)))


def test_noise_is_fresh_as_often_as_asked(memory_corpus):
    corpus = memory_corpus(60, side=8)
    samples = samples_of(corpus)

    def sums(epoch):  # symmetries keep an image's sum; targets say which sample it is
        batches = list(samples.epoch(epoch, 16, seed=0, refresh_epochs=2))
        order = np.argsort(all_targets(batches))
        return np.concatenate([batch.images.sum((1, 2, 3), dtype=float) for batch in batches])[order]

    changed = np.abs(sums(1) - sums(0)) > 1e-4
    assert 0.3 < changed.mean() < 0.7
    assert np.all(np.abs(sums(2) - sums(0)) > 1e-9)


def test_the_fixed_recording_is_the_corpus_own_draw(memory_corpus):
    corpus = memory_corpus(60)
    samples = samples_of(corpus, "test")
    images = np.concatenate([batch.images for batch in samples.fixed(7)])
    index = int(samples.indices[3])
    assert np.array_equal(images[3], recorded(corpus, corpus.images[index], index, corpus.recipe.realism, 0))


def test_all_symmetries_occur_and_maps_turn_with_images(particle_corpus):
    corpus = particle_corpus(90)
    corpus.recipe.realism = Realism()
    samples = samples_of(corpus, maps=True, names=("count",))
    straight = {
        float(b.images[0].sum(dtype=float)): b
        for b in samples_of(corpus, maps=True, names=("count",)).fixed(1)
    }
    seen = set()
    for epoch in range(3):
        for batch in samples.epoch(epoch, 16, seed=3):
            assert batch.maps is not None
            for image, maps in zip(batch.images, batch.maps, strict=True):
                total = float(image.sum(dtype=float))
                near = min(straight, key=lambda key: abs(key - total))
                original = straight[near]
                for symmetry in range(8):
                    if np.allclose(turned(original.images[0], symmetry), image, atol=1e-3):
                        assert np.allclose(turned(original.maps[0], symmetry), maps, atol=1e-6)
                        seen.add(symmetry)
                        break
                else:
                    pytest.fail("an image is no symmetric copy of any sample")
    assert seen == set(range(8))


def test_a_distorted_scan_is_only_turned_by_half_a_turn(memory_corpus):
    corpus = memory_corpus(60, realism=Realism(scan_jitter_nm=0.2))
    samples = samples_of(corpus)
    assert set(samples._symmetries(200, np.random.default_rng(0))) == {0, 3}


def test_gain_laws():
    realism = Realism(gain={"law": "uniform", "low": 0.8, "high": 1.2}, electrons_per_pixel=100)
    assert with_gain(realism, "recipe") is realism
    assert with_gain(realism, "known").gain == 1
    unknown = with_gain(realism, "unknown")
    assert unknown.gain.bounds == (0.1, 10)
    assert unknown.electrons_per_pixel == 100


def test_an_empty_split_is_refused(memory_corpus):
    corpus = memory_corpus(60)
    corpus._splits[:] = 0
    with pytest.raises(UserError, match="'test'"):
        samples_of(corpus, "test")


def test_ahead_keeps_order_hands_over_errors_and_stops_early():
    assert list(ahead(range(50), depth=2)) == list(range(50))

    def failing():
        yield 1
        raise UserError("shard 3 is damaged")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(UserError, match="shard 3"):
        next(items)
    endless = ahead(iter(int, 1))
    next(endless)
    endless.close()

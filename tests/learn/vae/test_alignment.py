import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from learn.spatial_statistics import statistics_distance  # noqa: E402
from learn.vae.alignment import aligned  # noqa: E402

SIDES = st.tuples(st.integers(5, 17), st.integers(5, 17))


def random_images(shape, seed, count=3):
    return (torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed)) > 0.6).float()


@given(SIDES, st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_a_moved_or_turned_copy_is_found_back_exactly(shape, seed, down, right, turn):
    originals = random_images(shape, seed)
    copies = torch.roll(originals.flip(1, 2) if turn else originals, (down, right), (1, 2))
    assert torch.equal(aligned(originals, copies, periodic=True), copies)


@given(SIDES, st.integers(0, 2**32 - 1), st.booleans())
def test_statistics_do_not_notice(shape, seed, periodic):
    originals, others = random_images(shape, seed), random_images(shape, seed + 1)
    moved = aligned(originals, others, periodic)
    assert torch.all(statistics_distance(moved, originals) < 1e-10)


@given(SIDES, st.integers(0, 2**32 - 1))
def test_no_copy_is_nearer(shape, seed):
    """The one chosen has the least squared difference of all, tried one by one."""
    originals, others = random_images(shape, seed, 1), random_images(shape, seed + 1, 1)
    best = (aligned(originals, others, periodic=True) - others).square().sum()
    for turned in (originals, originals.flip(1, 2)):
        for down in range(shape[0]):
            for right in range(shape[1]):
                tried = torch.roll(turned, (down, right), (1, 2))
                assert best <= (tried - others).square().sum() + 1e-3


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_nothing_crosses_the_border_of_a_texture_that_is_not_periodic(seed, height, width):
    """A box stays one box: its rows and columns stay neighbours, wherever the other image would have it."""
    originals = torch.zeros(1, 12, 10)
    generator = torch.Generator().manual_seed(seed)
    y = int(torch.randint(0, 12 - height + 1, (1,), generator=generator))
    x = int(torch.randint(0, 10 - width + 1, (1,), generator=generator))
    originals[:, y : y + height, x : x + width] = 1
    wrapped = torch.roll(torch.rand(1, 12, 10, generator=generator), (5, 5), (1, 2))
    moved = aligned(originals, wrapped, periodic=False)[0]
    for ink, size in ((moved.any(dim=1), height), (moved.any(dim=0), width)):
        places = ink.nonzero().ravel()
        assert len(places) == size
        assert int(places[-1] - places[0]) == size - 1


def test_empty_images_stay_as_they_are():
    empty = torch.zeros(2, 8, 8)
    assert torch.equal(aligned(empty, torch.rand(2, 8, 8), periodic=False), empty)

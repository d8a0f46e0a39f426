"""Spatial statistics of tensors: equal to NumPy's, gradients, the loss beside complex128 image by image."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import learn.spatial_statistics as tensors
import stochgeom.spatial_statistics as arrays
from stochgeom import UserError

DRAWN = (
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["probability", "count", "covariance", "correlation"]),
    st.integers(0, 2**32 - 1),
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


def close(found, expected, atol=1e-10):
    assert tuple(found.shape) == expected.shape
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=atol)


def test_the_same_names_and_arguments():
    assert tensors.__all__ == arrays.__all__
    for name in arrays.__all__:
        ours = inspect.signature(getattr(tensors, name)).parameters
        theirs = inspect.signature(getattr(arrays, name)).parameters
        assert list(ours) == list(theirs), name
        for argument in ours:
            assert ours[argument].default == theirs[argument].default, (name, argument)
            assert ours[argument].kind == theirs[argument].kind, (name, argument)


@given(*DRAWN)
def test_two_point_equals_numpy(ny, nx, periodic, masked, normalise, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 3, ny, nx))
    b = (b < 0.5).astype(float)
    mask = rng.random((ny, nx)) < 0.7 if masked else None
    if masked:
        mask[0, 0] = True
    options = {"periodic": periodic, "mask": mask, "normalise": normalise}
    x, y = torch.tensor(a), torch.tensor(b)
    close(tensors.cross_correlation(x, y, **options), arrays.cross_correlation(a, b, **options))
    close(tensors.autocorrelation(x, **options), arrays.autocorrelation(a, **options))
    options |= {"cutoff": (min(1, ny // 2), nx // 2), "centred": bool(seed % 2)}
    close(tensors.two_point(x, **options), arrays.two_point(a, **options))
    narrow = tensors.autocorrelation(x.float(), **options)
    assert narrow.dtype == torch.float32
    if normalise != "correlation":  # which divides by a variance that can be small
        close(narrow, arrays.autocorrelation(a, **options), 1e-4 if normalise == "count" else 2e-5)


@given(*DRAWN)
def test_curves_equal_numpy(ny, nx, periodic, masked, normalise, seed):
    rng = np.random.default_rng(seed)
    values = rng.random((2, ny, nx))
    values[0, 0, 0] = np.nan
    sector = (30, 50) if masked else None
    weights = rng.random((ny, nx)) + 0.1 if periodic else None
    options = {"pixel_size_nm": (0.5, 0.7), "bin_nm": 0.6, "sector_deg": sector, "weights": weights}
    for found, expected in zip(
        tensors.radial_mean(torch.tensor(values), **options),
        arrays.radial_mean(values, **options),
        strict=True,
    ):
        close(found, expected)
    for angle in (0, 45, 77, 135, 180):
        for found, expected in zip(
            tensors.directional_cut(torch.tensor(values), angle),
            arrays.directional_cut(values, angle),
            strict=True,
        ):
            close(found, expected)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_lineal_path_equals_numpy(ny, nx, periodic, masked, seed):
    rng = np.random.default_rng(seed)
    binary = rng.random((2, ny, nx)) < 0.7
    soft = np.where(binary, rng.random(binary.shape), 0)
    mask = rng.random((ny, nx)) < 0.8 if masked else None
    if masked:
        mask[0, 0] = True
    for angle in (0, 45, 90, 135):
        for values in (binary.astype(float), soft):
            options = {"periodic": periodic, "mask": mask, "pixel_size_nm": 0.5}
            distance, path = tensors.lineal_path(torch.tensor(values), angle, **options)
            expected = arrays.lineal_path(values, angle, **options)
            close(distance, expected[0])
            close(path, expected[1])
    exact = arrays.lineal_path(binary.astype(np.float32), 0)[1]
    assert np.array_equal(tensors.lineal_path(torch.tensor(binary), 0)[1].numpy(), exact)


def test_indicators_equal_numpy(rng):
    image = rng.integers(0, 4, (2, 5, 6))
    close(tensors.indicators(torch.tensor(image)), arrays.indicators(image))
    close(tensors.indicators(torch.tensor(image).float(), (3, 0)), arrays.indicators(image, (3, 0)))
    grey = rng.random((2, 5, 6)) * 1.4 - 0.2
    grey[0, 0, :3] = 0, 0.3, 1
    for kind in ("linear", "gaussian"):
        for eps in (0.1, 0.25):
            x = torch.tensor(grey)
            close(tensors.soft_indicator(x, kind, eps, 0.7), arrays.soft_indicator(grey, kind, eps, 0.7))
            levels = (0, 0.3, 1)
            close(
                tensors.soft_indicators(x, levels, kind, eps), arrays.soft_indicators(grey, levels, kind, eps)
            )


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**32 - 1))
def test_distance_equals_numpy(ny, nx, cross, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 2, 3, ny, nx))
    x, y = torch.tensor(a), torch.tensor(b)
    expected = arrays.statistics_distance(a, b, cross=cross)
    for by in ("parseval", "f"):
        close(tensors.statistics_distance(x, y, by=by, cross=cross), expected)
    mask = rng.random((ny, nx)) < 0.7
    mask[0, 0] = True
    options = {"by": "f", "cross": cross, "mask": mask, "periodic": False}
    close(tensors.statistics_distance(x, y, **options), arrays.statistics_distance(a, b, **options))
    options |= {"weights": rng.random((2 * (ny // 2) + 1, 1)) + 0.1, "cutoff": (ny // 2, 0)}
    close(tensors.statistics_distance(x, y, **options), arrays.statistics_distance(a, b, **options))


def checked(function, *images):
    assert torch.autograd.gradcheck(function, [torch.tensor(i).requires_grad_() for i in images])


@pytest.mark.parametrize("shape", [(4, 5), (5, 4), (3, 3), (1, 4)])
def test_gradients_of_two_point_functions(shape, rng):
    a, b = rng.random((2, 2, *shape))
    mask = np.ones(shape, bool)
    mask[0, 1] = False
    for periodic in (True, False):
        for normalise in ("probability", "count", "covariance", "correlation"):
            options = {"periodic": periodic, "normalise": normalise}
            checked(lambda x, y, o=options: tensors.cross_correlation(x, y, **o), a, b)
            checked(lambda x, o=options: tensors.two_point(x, cutoff=1 if shape[0] > 1 else 0, **o), a)
            checked(lambda x, o=options: tensors.autocorrelation(x, mask=mask, **o).nan_to_num(), a)
    checked(lambda x: tensors.radial_mean(tensors.autocorrelation(x))[1], a)
    checked(lambda x: tensors.directional_cut(tensors.autocorrelation(x), 20)[1], a)


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (6, 6), (1, 2)])
def test_gradients_of_the_lineal_path(shape, periodic, angle, rng):
    values = rng.random((2, *shape))
    values[0, 0, 0] = 0
    checked(lambda x: tensors.lineal_path(x, angle, periodic=periodic)[1], values)
    mask = np.ones(shape, bool)
    mask[0, 1] = False
    checked(lambda x: tensors.lineal_path(x, angle, periodic=periodic, mask=mask)[1].nan_to_num(), values)


def test_gradients_of_soft_indicators(rng):
    x = rng.random((3, 4)) * 0.9 + 0.05
    for kind in ("linear", "gaussian"):
        checked(lambda v, k=kind: tensors.soft_indicator(v, k), x)
        checked(lambda v, k=kind: tensors.soft_indicators(v, (0, 0.4, 1), k), x)
    white = torch.ones(2, 2, requires_grad=True)
    slopes = [
        torch.autograd.grad(tensors.soft_indicator(white, *options).sum(), white)[0][0, 0].item()
        for options in (("linear",), ("gaussian", 0.25), ("gaussian", 1.0))
    ]
    assert slopes == pytest.approx([-1, -16 * np.exp(-8), -np.exp(-0.5)])  # -1, -0.005, -0.6
    black = torch.zeros(2, 2, requires_grad=True)
    slope = torch.autograd.grad(tensors.soft_indicators(black, (0, 1))[0].sum(), black)[0]
    assert slope[0, 0] == -1  # an image that begins black can leave it


@pytest.mark.parametrize("shape", [(4, 5), (5, 4), (3, 3), (1, 1), (1, 4), (6, 6)])
def test_gradients_of_the_distance(shape, rng):
    a, b = rng.random((2, 2, *shape))
    for options in (
        {},
        {"by": "f"},
        {"by": "f", "periodic": False, "mask": np.eye(*shape, dtype=bool)},
        {"by": "f", "cutoff": 0, "weights": np.ones((1, 1))},
        {"cross": True},
        {"by": "f", "cross": True},
    ):
        checked(lambda x, y, o=options: tensors.statistics_distance(x, y, **o), a, b)
    checked(tensors.statistics_distance, a, b[:1])  # one image beside many
    checked(tensors.statistics_distance, a[0], b)
    one = torch.tensor(a, requires_grad=True)
    tensors.statistics_distance(one, torch.tensor(b)).sum().backward()
    other = torch.tensor(a, requires_grad=True)
    tensors.statistics_distance(other, torch.tensor(b), by="f").sum().backward()
    close(one.grad, other.grad.numpy())


def line_textures(rng, number, lines=(1, 4), side=224):
    """Images (number, side, side) of black (0) lines on white (1) of one orientation (Hashemi et al. 2024).

    Lines are 112 to 223 pixels long, 5 to 9 thick, and 10 apart where their spans overlap.
    """
    images = np.ones((number, side, side), np.float32)
    for image in images:
        wanted, placed = rng.integers(lines[0], lines[1] + 1), []
        while len(placed) < wanted:
            length, thick = rng.integers(side // 2, side), rng.integers(5, 10)
            y, x = rng.integers(0, side - thick + 1), rng.integers(0, side - length + 1)
            if all(
                y >= y2 + t2 + 10 or y2 >= y + thick + 10 or x >= x2 + l2 or x2 >= x + length
                for y2, x2, t2, l2 in placed
            ):
                placed.append((y, x, thick, length))
        drawn = image if rng.random() < 0.5 else image.T
        for y, x, thick, length in placed:
            drawn[y : y + thick, x : x + length] = 0
    return images


def test_the_convention_of_published_figures(rng):
    """White images have f = 0: their distance from 1 to 4 lines is 9.7e-5 on the published set's law.

    That set is not public; it is drawn again by its description. Within 4 standard errors, of 4 % each.
    """
    black = tensors.soft_indicator(torch.tensor(line_textures(rng, 800)))
    distances = tensors.statistics_distance(black, torch.zeros(1, 224, 224)).numpy()
    error = distances.std(ddof=1) / np.sqrt(len(distances))
    assert error < 0.05 * 9.7e-5
    assert abs(distances.mean() - 9.7e-5) < 4 * error


def complex128_image_by_image(a, b):
    """Mean over the images of the distance, by the definition."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        f = [
            torch.fft.ifft2(torch.fft.fft2(m.to(torch.complex128)).abs().square() / m.numel()).real
            for m in (x, y)
        ]
        total = total + (f[0] - f[1]).square().mean()
    return total / len(a)


@pytest.mark.parametrize("shape", [(64, 64), (51, 40), (45, 63)])
def test_float32_batches_have_the_gradient_of_complex128(shape, rng):
    target = torch.tensor(rng.random((6, *shape)) < 0.06).float()
    soft = torch.tensor(0.1 * rng.random((6, *shape)), dtype=torch.float32)
    for by in ("parseval", "f"):
        gradients = []
        for loss in (
            lambda x, w=by: tensors.statistics_distance(x, target, by=w).mean(),
            lambda x: complex128_image_by_image(x, target),
        ):
            x = soft.clone().requires_grad_()
            loss(x).backward()
            gradients.append(x.grad.double())
        relative = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
        assert relative < 1e-6


def test_the_loss_moves_an_image_to_its_target():
    """From soft grey, by gradients of the statistics alone: the distance falls tenfold."""
    target = torch.zeros(1, 24, 24)
    target[:, :, 5:9] = 1
    logits = torch.randn(1, 24, 24, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    values = []
    for _ in range(150):
        soft = tensors.soft_indicator(torch.sigmoid(logits))
        loss = tensors.statistics_distance(soft, target).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < values[0] / 10


def test_a_nan_stays_in_its_image(rng):
    x = torch.tensor(rng.random((3, 6, 7)), dtype=torch.float32)
    clean = [tensors.autocorrelation(x), tensors.statistics_distance(x, x.roll(1, 0))]
    x[1, 2, 3] = torch.nan
    found = tensors.autocorrelation(x)
    assert found[1].isnan().all()
    torch.testing.assert_close(found[[0, 2]], clean[0][[0, 2]])
    other = torch.zeros(3, 6, 7)
    for options in ({}, {"by": "f"}, {"by": "f", "mask": np.eye(6, 7, dtype=bool)}):
        distances = tensors.statistics_distance(x, other, **options)
        assert distances.isnan().tolist() == [False, True, False]


def test_other_precisions_and_arrays(rng):
    image = torch.tensor(rng.random((4, 5)) < 0.5)
    expected = arrays.autocorrelation(image.numpy())
    for given_ in (image, image.int(), image.half(), image.bfloat16(), image.numpy()):
        found = tensors.autocorrelation(given_)
        assert found.dtype == torch.float32
        close(found, expected, 1e-6)


def test_what_counts_takes_tensors_and_refuses_gradients(rng):
    phase = torch.tensor(rng.random((6, 7)) < 0.6)
    close(tensors.two_point_cluster(phase, cutoff=2), arrays.two_point_cluster(phase.numpy(), cutoff=2))
    close(tensors.label_clusters(phase), arrays.label_clusters(phase.numpy()))
    chords = tensors.phase_chord_lengths(phase, 45)
    close(chords, arrays.phase_chord_lengths(phase.numpy(), 45))
    edges = torch.arange(0.5, 8)
    close(
        tensors.chord_length_density(chords, edges),
        arrays.chord_length_density(chords.numpy(), edges.numpy()),
    )
    soft = phase.float().requires_grad_()
    for function in (tensors.two_point_cluster, tensors.phase_chord_lengths, tensors.label_clusters):
        with pytest.raises(UserError, match="no gradient"):
            function(soft)


IMAGE = torch.zeros(4, 5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tensors.autocorrelation(torch.zeros(0, 5)), "no pixels"),
        (lambda: tensors.autocorrelation(torch.zeros(5)), "expected"),
        (lambda: tensors.two_point(IMAGE), "phase, y, x"),
        (lambda: tensors.autocorrelation(IMAGE.to(torch.complex64)), "real numbers"),
        (lambda: tensors.cross_correlation(IMAGE, IMAGE.T), "equal"),
        (lambda: tensors.cross_correlation(torch.zeros(2, 4, 5), torch.zeros(3, 4, 5)), "fit together"),
        (lambda: tensors.autocorrelation(IMAGE, cutoff=3), "up to 2 along y"),
        (lambda: tensors.autocorrelation(IMAGE, normalise="other"), "one of"),
        (lambda: tensors.autocorrelation(IMAGE, mask=IMAGE), "no pixel"),
        (lambda: tensors.indicators(IMAGE + 0.4), "phase indices"),
        (lambda: tensors.indicators(IMAGE * torch.nan), "phase indices"),
        (lambda: tensors.indicators(IMAGE + torch.inf), "phase indices"),
        (lambda: tensors.indicators(IMAGE, (1, 1)), "different"),
        (lambda: tensors.soft_indicator(IMAGE, "cubic"), "one of"),
        (lambda: tensors.soft_indicators(IMAGE, (1, 0)), "rising"),
        (lambda: tensors.lineal_path(IMAGE, 30), "0, 45, 90 or 135"),
        (lambda: tensors.lineal_path(IMAGE, cutoff=9), "0 to 4 long"),
        (lambda: tensors.radial_mean(IMAGE, weights=IMAGE), "some of them above"),
        (lambda: tensors.directional_cut(IMAGE, float("nan")), "finite angle"),
        (lambda: tensors.statistics_distance(IMAGE, IMAGE.T), "equal"),
        (lambda: tensors.statistics_distance(IMAGE, IMAGE.double()), "one precision"),
        (lambda: tensors.statistics_distance(IMAGE, IMAGE, periodic=False), "by = 'f'"),
        (lambda: tensors.two_point_cluster(IMAGE + 0.5), "expected 0 and 1"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)

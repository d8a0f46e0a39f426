"""Poses, coordinates and polar coefficients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from learn.patch_vae.polar import PolarTransform, turn_products  # noqa: E402
from learn.patch_vae.pose import (  # noqa: E402
    Pose,
    canonical_places,
    pixel_grid,
    tau_of,
    turn,
    unit_px,
    window_shift,
)

from .drawn import MARK, marks, spots, turned  # noqa: E402

WINDOWS = st.tuples(st.integers(3, 40), st.integers(3, 40))
ANGLES = st.floats(-7, 7)


@given(window=WINDOWS, angle=ANGLES)
@settings(max_examples=25, deadline=None)
def test_turns_are_rigid_in_any_window(window, angle):
    """Distances of pixels, in pixels, stay what they are; neighbours along x and y are one pixel apart."""
    grid = pixel_grid(window).double()
    moved = canonical_places(Pose(angle=torch.tensor([angle]).double()), grid, 1)[0] * unit_px(window)
    own = grid * unit_px(window)
    rows = torch.tensor([0, 1, window[1], len(grid) - 1])
    torch.testing.assert_close(torch.cdist(moved[rows], moved[rows]), torch.cdist(own[rows], own[rows]))
    assert float((own[1] - own[0]).norm()) == pytest.approx(1, abs=1e-5)
    assert float((own[window[1]] - own[0]).norm()) == pytest.approx(1, abs=1e-5)


@given(angle=ANGLES, scale=st.floats(-0.5, 0.5), x=st.floats(-1, 1), y=st.floats(-1, 1))
@settings(max_examples=25, deadline=None)
def test_shift_seen_in_the_window(angle, scale, x, y):
    """The canonical middle lies at the shift, and `tau_of` goes the way back."""
    tau = torch.tensor([[x, y]]).double()
    pose = Pose(torch.tensor([angle]).double(), tau, torch.tensor([scale]).double())
    shift = window_shift(pose)
    torch.testing.assert_close(canonical_places(pose, shift, 1)[0, 0], torch.zeros(2).double())
    torch.testing.assert_close(tau_of(shift, pose.angle, pose.log_scale), tau)


def test_angles_turn_x_towards_y():
    one = torch.tensor([[1.0, 0.0]])
    moved = (turn(torch.tensor([math.pi / 2])) @ one[:, :, None])[0, :, 0]
    torch.testing.assert_close(moved, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)
    assert np.allclose(turned(np.array([[1.0, 0.0]]), 90), [[0, 1]])


@pytest.mark.parametrize("degrees", [17.0, 90.0, 222.5])
def test_products_find_the_turn_between_patches(degrees):
    polar = PolarTransform((28, 28))
    patches = torch.from_numpy(marks([0.0, degrees], (28, 28), noise=0.0))
    angles = torch.arange(720) * math.pi / 360
    seen, other = polar(patches[1:]), polar(patches[:1])
    products = turn_products(seen, other, angles, polar.order)[0]
    assert float(angles[products.argmax()]) == pytest.approx(math.radians(degrees), abs=math.radians(0.8))
    per_patch = turn_products(seen, other, angles[None], polar.order)[0]
    torch.testing.assert_close(per_patch, products)


def test_products_are_those_of_the_pixels_in_the_disc():
    """Of smooth patches; a ring's bilinear samples and the highest order leave out less than two per cent."""
    polar = PolarTransform((31, 31))
    one, other = (spots(places, (31, 31), sd=2.5) for places in (MARK, turned(MARK, 20)))
    found = turn_products(
        *(polar(torch.from_numpy(image[None, None]).float()) for image in (one, other)),
        torch.zeros(1),
        polar.order,
    )
    assert float(found[0, 0]) == pytest.approx(float((one * other).sum()), rel=0.02)

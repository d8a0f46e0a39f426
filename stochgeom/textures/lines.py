"""Line textures: parallel black lines on white, one orientation per image, none near another.

After Hashemi, Guerzhoy and Paulson, arXiv 2402.11103, whose images are the defaults.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numba import njit
from pydantic import Field, field_validator, model_validator

from ..errors import InfeasibleParametersError
from .raster import fill_rectangles
from .texture import Degrees, GridParameters, Span, Texture, direction, make_texture

NAMES = {"horizontal": (0.0,), "vertical": (90.0,), "diagonal": (45.0, 135.0)}
DRAWS = 200  # of the sizes of lines, until they leave room for each other
FINE = 0.5  # pixels between the places, across, of lines that are not along an axis


class LineTextureParameters(GridParameters):
    """Parameters of a line texture.

    count
        Fewest and most lines; the number is uniform between them and comes out exactly.
    orientations
        Of which each image has one, all equally likely: "horizontal", "vertical", "diagonal" (45° or 135°),
        or degrees from +x towards +y.
    length_nm, thickness_nm
        Smallest and largest; uniform over the whole numbers of pixels between them.
    gap_nm
        Lines are at least so far apart, measured across them, over their whole lengths and beyond: no line
        continues another. (Of lines longer than half of the image every two lie side by side anyway.)
    """

    model: Literal["lines"] = "lines"
    count: tuple[int, int] = (1, 4)
    orientations: tuple[Literal["horizontal", "vertical", "diagonal"] | Degrees, ...] = Field(
        default=("horizontal", "vertical"), min_length=1
    )
    length_nm: Span = (112.0, 223.0)
    thickness_nm: Span = (5.0, 9.0)
    gap_nm: float = Field(default=10.0, gt=0)

    @field_validator("count", "length_nm", "thickness_nm")
    @classmethod
    def _rising(cls, span: Span) -> Span:
        if not 0 < span[0] <= span[1]:
            raise ValueError(f"must be the smallest and the largest, both positive, not {span}")
        return span

    @model_validator(mode="after")
    def _pixels(self) -> LineTextureParameters:
        for name in ("length_nm", "thickness_nm"):
            low, high = whole_pixels(getattr(self, name), self.pixel_size_nm)
            if low > high:
                raise ValueError(
                    f"{name} = {getattr(self, name)} holds no whole number of pixels of "
                    f"{self.pixel_size_nm:g} nm"
                )
        if self.gap_nm < self.pixel_size_nm:
            raise ValueError(
                f"gap_nm = {self.gap_nm:g} must be at least a pixel, {self.pixel_size_nm:g} nm: lines would "
                "merge"
            )
        if self.length_nm[0] < self.thickness_nm[1]:
            raise ValueError(
                f"length_nm = {self.length_nm} must not be below thickness_nm = {self.thickness_nm}: lines "
                "would run the other way"
            )
        return self

    @property
    def angles(self) -> tuple[tuple[float, ...], ...]:
        """Degrees by entry of `orientations`."""
        return tuple(NAMES[one] if isinstance(one, str) else (one,) for one in self.orientations)

    @property
    def expected_volume_fraction(self) -> float:
        """Mean number of lines times mean length times mean thickness; sizes drawn again make it smaller."""
        ny, nx = self.shape
        length = sum(whole_pixels(self.length_nm, self.pixel_size_nm)) / 2
        thickness = sum(whole_pixels(self.thickness_nm, self.pixel_size_nm)) / 2
        return sum(self.count) / 2 * length * thickness / (ny * nx)


def whole_pixels(span_nm: Span, pixel_size_nm: float) -> tuple[int, int]:
    """The smallest and largest whole numbers of pixels within a span of lengths."""
    return math.ceil(span_nm[0] / pixel_size_nm - 1e-9), math.floor(span_nm[1] / pixel_size_nm + 1e-9)


def sample_lines(parameters: LineTextureParameters, rng: np.random.Generator) -> Texture:
    """One line texture. Elements: centres_nm (n, 2), lengths_nm (n,), thicknesses_nm (n,).

    The number, the orientation and the sizes are drawn independently. The lines come in the order they were
    drawn, from one side of the image to the other, and every set of places that keeps them inside the image
    and the gap between them is equally likely: the places across are drawn from the last line to the first,
    weighted with the number of ways in which the lines before it fit, so nothing is ever tried in vain. Along
    the axes, places are whole pixels; else every half pixel across and anywhere along. Sizes that leave no
    room (never those of the default) are drawn again, up to 200 times.
    Truth adds `length_nm` and `thickness_nm`, means over the lines.
    InfeasibleParametersError if even the smallest lines do not fit, or no set that fits was found.
    """
    pixel, (ny, nx) = parameters.pixel_size_nm, parameters.shape
    lengths = whole_pixels(parameters.length_nm, pixel)
    thicknesses = whole_pixels(parameters.thickness_nm, pixel)
    gap = parameters.gap_nm / pixel
    entries = parameters.angles
    for angle in {angle for entry in entries for angle in entry}:
        _check(parameters.shape, pixel, parameters.count[1], angle, lengths[0], thicknesses[0], gap)
    n = int(rng.integers(parameters.count[0], parameters.count[1] + 1))
    entry = entries[rng.integers(len(entries))]
    angle = entry[rng.integers(len(entry))] if len(entry) > 1 else entry[0]
    c, s = direction(angle)
    for _ in range(DRAWS):
        length = rng.integers(lengths[0], lengths[1] + 1, n).astype(float)
        thickness = rng.integers(thicknesses[0], thicknesses[1] + 1, n).astype(float)
        places = _place(length, thickness, gap, c, s, nx, ny, rng.random((n, 2)))
        if len(places):
            break
    else:
        largest = _most(parameters.shape, angle, lengths[1], thicknesses[1], gap)
        reason = f"lines at {angle:g} degrees found no room in {DRAWS} draws of their sizes"
        raise InfeasibleParametersError("count", n, largest, reason)
    along, across = places.T
    x, y = along * c - across * s, along * s + across * c
    phase = np.zeros((ny, nx), np.uint8)
    fill_rectangles(phase, x + nx / 2, y + ny / 2, length, thickness, np.full(n, c), np.full(n, s), False)
    elements = {
        "centres_nm": pixel * np.stack((x, y), axis=1),
        "lengths_nm": pixel * length,
        "thicknesses_nm": pixel * thickness,
    }
    more = {
        "length_nm": float(elements["lengths_nm"].mean()),
        "thickness_nm": float(elements["thicknesses_nm"].mean()),
    }
    return make_texture(parameters, "lines", phase, angle, n, more, elements)


@lru_cache(maxsize=256)
def _check(
    shape: tuple[int, int], pixel: float, count: int, angle: float, length: int, thickness: int, gap: float
) -> None:
    """Refuse a number of lines, even of the smallest size (pixels), for which there is no room."""
    if _fits(shape, angle, length, thickness, gap, count):
        return
    most = _most(shape, angle, length, thickness, gap)
    if most == 0:
        fitting = [one for one in range(1, length) if _fits(shape, angle, one, thickness, gap, 1)]
        reason = f"no such line at {angle:g} degrees fits into {shape[0]} x {shape[1]} pixels"
        nearest = fitting[-1] * pixel if fitting else None
        raise InfeasibleParametersError("length_nm", length * pixel, nearest, reason)
    reason = f"so many lines at {angle:g} degrees have no room, even the shortest and thinnest"
    raise InfeasibleParametersError("count", count, most, reason)


def _fits(shape: tuple[int, int], angle: float, length: int, thickness: int, gap: float, count: int) -> bool:
    """Whether there is room for `count` equal lines (pixels)."""
    (ny, nx), (c, s) = shape, direction(angle)
    if count * (thickness + gap) - gap > nx * abs(s) + ny * abs(c):
        return False
    sizes = np.full(count, float(length)), np.full(count, float(thickness))
    return len(_place(*sizes, gap, c, s, nx, ny, np.full((count, 2), 0.5))) > 0


def _most(shape: tuple[int, int], angle: float, length: int, thickness: int, gap: float) -> int:
    """The largest number of equal lines (pixels) for which there is room, by bisection."""
    fits, fails = 0, 2 + int((sum(shape) + gap) / (thickness + gap))
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if _fits(shape, angle, length, thickness, gap, middle):
            fits = middle
        else:
            fails = middle
    return fits


@njit(cache=True)
def _room(length, thickness, c, s, width, height, across):
    """Lowest and highest place along (c, s) of a line's centre at `across`; there is none if low > high."""
    half_x = (width - length * abs(c) - thickness * abs(s)) / 2
    half_y = (height - length * abs(s) - thickness * abs(c)) / 2
    low, high = -np.inf, np.inf
    # |along c - across s| <= half_x and |along s + across c| <= half_y
    if c != 0.0:
        one, other = (across * s - half_x) / c, (across * s + half_x) / c
        low, high = min(one, other), max(one, other)
    if half_x < -1e-9 or (c == 0.0 and abs(across) > half_x + 1e-9):
        return 1.0, -1.0
    if s != 0.0:
        one, other = (-across * c - half_y) / s, (half_y - across * c) / s
        low, high = max(low, min(one, other)), min(high, max(one, other))
    if half_y < -1e-9 or (s == 0.0 and abs(across) > half_y + 1e-9):
        return 1.0, -1.0
    return low, high


@njit(cache=True)
def _place(lengths, thicknesses, gap, c, s, width, height, uniforms):
    """(n, 2) places of the centres along and across, in pixels from the image's; empty if there is no room.

    ways[k, e]: in how many ways lines 0 to k fit if the lower edge of line k lies at place e, up to a factor.
    """
    n = lengths.size
    whole = c == 0.0 or s == 0.0
    step = 1.0 if whole else FINE
    reach = (width * abs(s) + height * abs(c)) / 2
    places = int(np.floor(2 * reach / step + 1e-9)) + 1
    ways = np.zeros((n, places))
    apart = np.zeros(n, np.int64)
    for k in range(n):
        apart[k] = int(np.ceil((thicknesses[k] + gap) / step - 1e-9))
        below, largest = 1.0 if k == 0 else 0.0, 0.0
        for e in range(places):
            if k > 0 and e >= apart[k - 1]:
                below += ways[k - 1, e - apart[k - 1]]
            if below > 0.0:
                across = -reach + e * step + thicknesses[k] / 2
                low, high = _room(lengths[k], thicknesses[k], c, s, width, height, across)
                if whole:
                    ways[k, e] = below * max(0.0, np.floor(high - low + 1e-9) + 1.0)
                else:
                    ways[k, e] = below * max(0.0, high - low)
                largest = max(largest, ways[k, e])
        if largest == 0.0:
            return np.empty((0, 2))
        ways[k] /= largest
    found = np.empty((n, 2))
    end = places
    for k in range(n - 1, -1, -1):
        target = uniforms[k, 0] * np.sum(ways[k, :end])
        place, total = 0, 0.0
        for e in range(end):
            if ways[k, e] > 0.0:
                place = e
                total += ways[k, e]
                if total > target:
                    break
        across = -reach + place * step + thicknesses[k] / 2
        low, high = _room(lengths[k], thicknesses[k], c, s, width, height, across)
        if whole:
            found[k, 0] = low + np.floor(uniforms[k, 1] * (np.floor(high - low + 1e-9) + 1.0))
        else:
            found[k, 0] = low + uniforms[k, 1] * (high - low)
        found[k, 1] = across
        end = place - apart[k - 1] + 1 if k > 0 else 0
    return found

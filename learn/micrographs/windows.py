"""Windows of micrographs about given centres: cut to the nearest pixel, or between pixels by splines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError

Normalisation = Literal["none", "patch", "image"]
Window = int | tuple[int, int]
TAPS = 4


def grid_centres(
    shape: tuple[int, int], step_px: float, window_px: Window | None = None
) -> NDArray[np.float64]:
    """Centres (n, 2) y, x of windows a step apart that an image of `shape` holds whole, row by row.

    They are such that no window lies between pixels if the step is whole; what is left over is shared between
    both edges. `window_px` None: as large as the step. None (0, 2) if the image is smaller than the window.
    UserError for a step or a window that is not above zero.
    """
    if not step_px > 0:
        raise UserError(f"a grid with steps of {step_px:g} pixels; accepted: above zero")
    window = _window(max(1, round(step_px)) if window_px is None else window_px)
    axes = []
    for length, side in zip(shape, window, strict=True):
        n = int((length - side) // step_px) + 1 if length >= side else 0
        left = (length - side - (n - 1) * step_px) // 2
        axes.append((side - 1) / 2 + left + step_px * np.arange(n))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def cut_patches(
    micrographs: Micrograph | Sequence[Micrograph],
    centres: ArrayLike | Sequence[ArrayLike],
    window_px: Window,
    normalise: Normalisation = "none",
    interpolate: bool = True,
) -> PatchSet:
    """Windows of `window_px` (h, w or one side) pixels about `centres`, one table (n, 2) y, x for each image.

    With `interpolate` each window is centred exactly, by cubic splines; without, its pixels are the image's,
    and `centres_px` says where its middle is: at most half a pixel away. Even windows have their middle
    between pixels. `normalise`: none; to mean 0 and standard deviation 1 of each patch, or of each image,
    channel by channel (a constant one becomes zeros). Windows that leave the image are dropped, and `dropped`
    of the set counts them. UserError if images differ in pixel size or channels, or no window is left.
    """
    micrographs = (micrographs,) if isinstance(micrographs, Micrograph) else tuple(micrographs)
    tables = _tables(centres, len(micrographs))
    window = _window(window_px)
    _check_alike(micrographs)
    if normalise not in ("none", "patch", "image"):
        raise UserError(f"normalisation {normalise!r}; accepted: none, patch, image")
    patches, places, sources, asked = [], [], [], 0
    for number, (micrograph, table) in enumerate(zip(micrographs, tables, strict=True)):
        asked += len(table)
        where = _held(table if interpolate else _to_pixels(table, window), micrograph.shape, window)
        image = _standardised(micrograph.image) if normalise == "image" else micrograph.image
        patches.append(_between(image, where, window) if interpolate else _nearest(image, where, window))
        places.append(where)
        sources.append(np.full(len(where), number, np.int64))
    found = np.concatenate(patches)
    if len(found) == 0:
        sizes = ", ".join(f"{m.name}: {m.shape[0]} x {m.shape[1]}" for m in micrographs[:3])
        if asked == 0 and any(m.shape[0] >= window[0] and m.shape[1] >= window[1] for m in micrographs):
            raise UserError(
                f"there is nothing to cut windows about ({sizes} pixels; 0 centres): no atomic column was "
                "found; accepted: images that show some, a lower threshold, or centres on a grid"
            )
        raise UserError(
            f"no window of {window[0]} x {window[1]} pixels lies within its image ({sizes} pixels; "
            f"{asked} centres); accepted: smaller windows, or centres further inside"
        )
    if normalise == "patch":
        found = _standardised(found)
    return PatchSet(found, np.concatenate(places), np.concatenate(sources), micrographs, asked - len(found))


def _window(window_px: Window) -> tuple[int, int]:
    h, w = (window_px, window_px) if isinstance(window_px, int | np.integer) else window_px
    if not (h == int(h) and w == int(w) and h >= 1 and w >= 1):
        raise UserError(f"a window of {h} x {w} pixels; accepted: whole numbers, from 1 on")
    return int(h), int(w)


def _tables(centres: ArrayLike | Sequence[ArrayLike], n: int) -> list[NDArray[np.float64]]:
    """One table (m, 2) for each micrograph; the table itself may stand for the only one."""
    alone = n == 1 and not isinstance(centres, list | tuple)
    given = [centres] if alone or (n == 1 and np.ndim(centres[0]) == 1) else list(centres)  # type: ignore
    tables = [np.asarray(table, np.float64).reshape(-1, 2) for table in given]
    if len(tables) != n:
        raise UserError(f"{len(tables)} tables of centres for {n} micrographs; accepted: one for each")
    for table in tables:
        if not np.isfinite(table).all():
            raise UserError("centres of windows are not all finite")
    return tables


def _check_alike(micrographs: Sequence[Micrograph]) -> None:
    if not micrographs:
        raise UserError("no micrograph is given to cut windows from")
    first = micrographs[0]
    for other in micrographs[1:]:
        if len(other.image) != len(first.image):
            raise UserError(
                f"{other.name} has {len(other.image)} channels, {first.name} {len(first.image)}; "
                "accepted: images of as many channels"
            )
        if abs(other.pixel_size_nm / first.pixel_size_nm - 1) > 1e-3:
            raise UserError(
                f"{other.name} has pixels of {other.pixel_size_nm:g} nm, {first.name} of "
                f"{first.pixel_size_nm:g} nm; accepted: images of one pixel size"
            )


def _to_pixels(centres: NDArray[np.float64], window: tuple[int, int]) -> NDArray[np.float64]:
    half = (np.array(window) - 1) / 2
    return np.rint(centres - half) + half


def _held(
    centres: NDArray[np.float64], shape: tuple[int, int], window: tuple[int, int]
) -> NDArray[np.float64]:
    """Centres whose windows sample the image between the middles of its outermost pixels."""
    half = (np.array(window) - 1) / 2
    first, last = centres - half, centres + half
    slack = 1e-9
    return centres[((first >= -slack) & (last <= np.array(shape) - 1 + slack)).all(axis=1)]


def _nearest(
    image: NDArray[np.float32], centres: NDArray[np.float64], window: tuple[int, int]
) -> NDArray[np.float32]:
    if len(centres) == 0:
        return np.empty((0, len(image), *window), np.float32)
    start = np.rint(centres - (np.array(window) - 1) / 2).astype(np.int64)
    views = sliding_window_view(image, window, axis=(1, 2))
    return np.ascontiguousarray(views[:, start[:, 0], start[:, 1]].swapaxes(0, 1))


def _between(
    image: NDArray[np.float32], centres: NDArray[np.float64], window: tuple[int, int]
) -> NDArray[np.float32]:
    """By cubic B-splines. All pixels of a window lie equally far off the image's: four taps an axis do."""
    if len(centres) == 0:
        return np.empty((0, len(image), *window), np.float32)
    start = centres - (np.array(window) - 1) / 2
    whole = np.floor(start + 1e-9)
    part = np.clip(start - whole, 0, 1)
    padded = np.stack([np.pad(_coefficients(one), 2, mode="reflect") for one in image])
    wide = _nearest(padded, whole + 1 + (np.array(window) + 2) / 2, (window[0] + 3, window[1] + 3))
    rows = np.zeros((len(wide), len(image), window[0], window[1] + 3), np.float32)
    for k in range(TAPS):
        rows += _tap(part[:, 0], k) * wide[:, :, k : k + window[0], :]
    found = np.zeros((len(wide), len(image), *window), np.float32)
    for k in range(TAPS):
        found += _tap(part[:, 1], k) * rows[..., k : k + window[1]]
    return found


def _coefficients(image: NDArray[np.float32]) -> NDArray[np.float32]:
    if min(image.shape) < 3:
        raise UserError(f"an image of {image.shape} pixels is too small to interpolate; accepted: 3 a side")
    return ndimage.spline_filter(image.astype(np.float64), order=3, mode="mirror").astype(np.float32)


def _tap(part: NDArray[np.float64], k: int) -> NDArray[np.float32]:
    """Weight (n, 1, 1, 1) of the k-th of four coefficients, `part` of a pixel behind the second."""
    distance = np.abs(k - 1 - part)
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)[:, None, None, None]


def _standardised(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """To mean 0 and standard deviation 1 over the last two axes; constant ones to zeros."""
    wide = images.astype(np.float64)
    mean = wide.mean(axis=(-2, -1), keepdims=True)
    deviation = wide.std(axis=(-2, -1), keepdims=True)
    constant = deviation <= 1e-6 * np.abs(mean)
    return np.where(constant, 0, (wide - mean) / np.where(constant, 1, deviation)).astype(np.float32)

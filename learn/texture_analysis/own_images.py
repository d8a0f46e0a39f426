"""Own pictures of textures: PNG, TIFF or NPY files, made binary and cut into patches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learn.images import read_image, read_png
from stochgeom.errors import UserError

from .texture_set import PackedImages, TextureSet, textures_of_arrays

SUFFIXES = (".png", ".tif", ".tiff", ".npy")
SPLITS = {"train": (0.0, 0.7), "validation": (0.7, 0.85), "test": (0.85, 1.0)}
"""Shares of the width of each picture, from the left; patches of different splits share no pixel."""
OVERLAP = 4
"""Patches of a split begin a quarter of their side apart."""
SMALLEST_PATCH = 16
Ink = Literal["dark", "bright"]


def image_files(paths: Path | Sequence[Path]) -> list[Path]:
    """The files of a folder that can be read, in the order of their names, or the files given."""
    if isinstance(paths, Path):
        if not paths.is_dir():
            return [paths]
        found = sorted(path for path in paths.iterdir() if path.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"{paths} holds no picture; accepted: {', '.join(SUFFIXES)}")
        return found
    return list(paths)


def read_phase(path: Path, ink: Ink = "dark", threshold: float | None = None) -> NDArray[np.uint8]:
    """Phase map (ny, nx) of zeros and ones of a picture: phase 1 is what is darker (or brighter) than the
    threshold, in the file's own grey values; None for the one that parts them best (Otsu 1979).

    Colours of a PNG are averaged, an alpha channel is dropped; other files must be grey. UserError for a file
    that cannot be read or shows one grey only.
    """
    grey = _grey(path)
    low, high = float(grey.min()), float(grey.max())
    if high <= low:
        raise UserError(f"{path}: all pixels are alike; a picture of two phases is needed")
    level = otsu_threshold(grey) if threshold is None else threshold
    if not low <= level < high:
        raise UserError(
            f"{path}: threshold {level:g} lies outside the greys of the picture, {low:g} to {high:g}"
        )
    dark = grey <= np.float64(level)  # a plain number would be rounded to the grey values' own precision
    return (dark if ink == "dark" else ~dark).astype(np.uint8)


def textures_of_files(
    paths: Path | Sequence[Path],
    side: int,
    split: str = "train",
    ink: Ink = "dark",
    threshold: float | None = None,
) -> TextureSet:
    """Square patches of `side` pixels of one split of pictures (see `SPLITS`), a quarter of a side apart, in
    an order drawn once for all: the first thousand of them show all pictures, not the corner of one.

    The set's `origin` says how they were cut, with a digest of the phase maps. UserError if a picture is too
    small to hold a patch of the split, or cannot be read.
    """
    if split not in SPLITS:
        raise UserError(f"split {split!r}; accepted: {', '.join(SPLITS)}")
    if side < SMALLEST_PATCH:
        raise UserError(f"patches of {side} pixels; accepted: sides of {SMALLEST_PATCH} or more")
    patches: list[NDArray[np.uint8]] = []
    digest = hashlib.sha256()
    files = image_files(paths)
    for path in files:
        phase = read_phase(path, ink, threshold)
        low, high = (round(share * phase.shape[1]) for share in SPLITS[split])
        if phase.shape[0] < side or high - low < side:
            smallest = int(np.ceil(side / 0.15))
            raise UserError(
                f"{path}: {phase.shape[1]} x {phase.shape[0]} pixels hold no patch of {side} for the split "
                f"{split}; accepted: from {smallest} x {side} on, or smaller patches"
            )
        patches += _patches(phase[:, low:high], side)
        digest.update(repr(phase.shape).encode() + phase.tobytes())
    order = np.random.default_rng(0).permutation(len(patches))
    found = textures_of_arrays(PackedImages.of([patches[place] for place in order]), name=_name(paths))
    origin = {
        "files": [path.name for path in files],
        "side": side,
        "split": split,
        "ink": ink,
        "threshold": threshold,
        "digest": digest.hexdigest()[:16],
    }
    return TextureSet(
        found.images, found.volume_fraction, found.orientation_degrees, found.count, found.name, origin
    )


def _name(paths: Path | Sequence[Path]) -> str:
    return paths.name if isinstance(paths, Path) else f"{len(paths)} pictures"


def _patches(phase: NDArray[np.uint8], side: int) -> list[NDArray[np.uint8]]:
    step = max(1, side // OVERLAP)
    rows, columns = (range(0, length - side + 1, step) for length in phase.shape)
    return [phase[y : y + side, x : x + side] for y in rows for x in columns]


def _grey(path: Path) -> NDArray[np.float32]:
    if path.suffix.lower() == ".png":
        return read_png(path)
    return np.asarray(read_image(path).pixels.mean(axis=0), np.float32)


def otsu_threshold(grey: NDArray[np.float32]) -> float:
    """The grey value after which a new class begins such that the variance between both is largest."""
    # In float64, for 256 bins may be finer than float32 can tell apart.
    counts, edges = np.histogram(np.asarray(grey, np.float64), bins=256)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1] / grey.size
    mean = np.cumsum(counts * middles)[:-1] / grey.size
    whole = float((counts * middles).sum() / grey.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((whole * below - mean) ** 2 / (below * (1 - below)))
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best].mean())

"""Image files: pixels and pixel size from TIFF, NPY and (extra `io`) microscope files; resampling to a
network.

Reading runs nothing that a file contains. A pixel size is never guessed: it comes from the file's own record
of it, with its unit, or from the user.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError, require

NM_PER_UNIT = {
    "pm": 1e-3,
    "å": 0.1,
    "angstrom": 0.1,
    "ang": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "µm": 1e3,
    "um": 1e3,
    "micron": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
}
LARGEST_PIXEL_NM = 1000.0  # a coarser one is a printer's resolution, not a microscope's
MICROSCOPE_READERS = {
    ".dm3": "rsciio.digitalmicrograph",
    ".dm4": "rsciio.digitalmicrograph",
    ".emd": "rsciio.emd",
    ".mrc": "rsciio.mrc",
}
TIFF_SUFFIXES = (".tif", ".tiff")
READABLE = (*TIFF_SUFFIXES, ".npy", *MICROSCOPE_READERS)


@dataclass(frozen=True)
class MicroscopeImage:
    """Pixels (channel, y, x) float32 in the file's units; pixel size in nm, None where the file has none."""

    pixels: NDArray[np.float32]
    pixel_size_nm: float | None
    source: str

    def normalised(self, dark: float = 0.0, beam: float = 1.0) -> MicroscopeImage:
        """Fractions of the beam, from the detector's level without beam and with the whole beam on it."""
        if not (math.isfinite(dark) and math.isfinite(beam) and beam > dark):
            raise UserError(f"beam level {beam:g} and dark level {dark:g}: accepted: finite, beam above dark")
        return replace(self, pixels=((self.pixels - dark) / (beam - dark)).astype(np.float32))

    def fitted(self, channels: int, shape: tuple[int, int]) -> tuple[NDArray[np.float32], float]:
        """Pixels (channels, *shape) and pixel size (nm) for a network: the whole image, its pixels kept
        square.

        An image of another aspect ratio is framed by its border's median; then pixels are averaged by area.
        UserError if the number of channels differs or the pixel size is not known.
        """
        if len(self.pixels) != channels:
            raise UserError(f"{self.source}: has {len(self.pixels)} channels; the model accepts {channels}")
        if self.pixel_size_nm is None:
            raise UserError(f"{self.source}: states no pixel size; give it with --pixel-size-nm")
        ny, nx = self.pixels.shape[1:]
        factor = max(ny / shape[0], nx / shape[1])
        frame = (max(ny, round(factor * shape[0])), max(nx, round(factor * shape[1])))
        framed = _framed(self.pixels, frame)
        return resampled(framed, shape), self.pixel_size_nm * factor


def read_image(path: str | Path, pixel_size_nm: float | None = None) -> MicroscopeImage:
    """The image in a file; `pixel_size_nm` overrides what the file says.

    UserError, one line, for a file that cannot be read, that holds no image, or values that are not finite.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    reader: Callable[[Path], tuple[NDArray[Any], float | None]]
    if suffix in TIFF_SUFFIXES:
        reader = _read_tiff
    elif suffix == ".npy":
        reader = _read_npy
    elif suffix in MICROSCOPE_READERS:
        reader = _read_microscope_file
    else:
        raise UserError(f"{path}: unknown kind of file; accepted: {', '.join(READABLE)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        data, stated = reader(path)
    except UserError:
        raise
    except Exception as error:  # readers of binary formats fail in any way they like
        raise _unreadable(path, error) from error
    size = _checked_size(path, pixel_size_nm) if pixel_size_nm is not None else stated
    return MicroscopeImage(_checked_pixels(path, data), size, str(path))


def read_png(path: str | Path) -> NDArray[np.float32]:
    """Greys (y, x) of a PNG, which states no pixel size: colours are averaged, an alpha channel is dropped.
    UserError, one line, for a file that cannot be read.
    """
    image = require("PIL.Image", extra="learn")
    try:
        with image.open(path) as picture:
            # RGB drops an alpha channel and spreads palettes; deeper greys keep their depth.
            whole = np.asarray(picture if picture.mode in ("L", "I", "I;16", "F") else picture.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # decoders fail in any way they like
        raise _unreadable(Path(path), error) from error
    return np.asarray(whole.mean(axis=2) if whole.ndim == 3 else whole, np.float32)


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return UserError(f"{path} cannot be read as an image: {reason}")


def resampled(pixels: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Pixels (channel, *shape): each new one is the mean of the old ones that it covers, by area."""
    if pixels.shape[1:] == shape:
        return np.asarray(pixels, np.float32)
    rows, columns = _overlaps(pixels.shape[1], shape[0]), _overlaps(pixels.shape[2], shape[1])
    return np.asarray(rows @ np.asarray(pixels, np.float64) @ columns.T, np.float32)


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """Share (new, old) of each new interval that each old one fills, when both divide the same length."""
    edges = np.arange(new + 1) * (old / new)
    starts = np.arange(old)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.maximum(shared, 0) * (new / old)


def _framed(pixels: NDArray[np.float32], frame: tuple[int, int]) -> NDArray[np.float32]:
    ny, nx = pixels.shape[1:]
    if (ny, nx) == frame:
        return pixels
    edges = [pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]]
    border = np.median(np.concatenate(edges, axis=1), axis=1)
    framed = np.empty((len(pixels), *frame), np.float32)
    framed[:] = border[:, None, None]
    y, x = (frame[0] - ny) // 2, (frame[1] - nx) // 2
    framed[:, y : y + ny, x : x + nx] = pixels
    return framed


def _checked_pixels(path: Path, data: NDArray[Any]) -> NDArray[np.float32]:
    data = np.asarray(data)
    if data.dtype.kind not in "fiub":
        raise UserError(f"{path}: pixels are {data.dtype}; accepted: real numbers")
    if data.ndim == 2:
        data = data[None]
    if data.ndim != 3 or min(data.shape) == 0 or min(data.shape[1:]) < 8:
        raise UserError(f"{path}: has shape {data.shape}; accepted: (y, x) or (channel, y, x), sides of 8 on")
    with np.errstate(over="ignore"):
        pixels = data.astype(np.float32)
    bad = int((~np.isfinite(pixels)).sum())
    if bad:
        raise UserError(f"{path}: {bad} pixels are not finite; accepted: finite intensities only")
    return pixels


def _checked_size(path: Path, size: float) -> float:
    if not (math.isfinite(size) and size > 0):
        raise UserError(f"{path}: pixel size {size:g} nm is impossible; accepted: above zero")
    return float(size)


def _read_npy(path: Path) -> tuple[NDArray[Any], None]:
    return np.load(path, allow_pickle=False), None


def _read_tiff(path: Path) -> tuple[NDArray[Any], float | None]:
    tifffile = require("tifffile", extra="learn")
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise UserError(f"{path}: holds no image")
        series = file.series[0]
        data = series.asarray()
        if "S" in series.axes:
            raise UserError(f"{path}: is a colour image; accepted: grey levels, one channel or several")
        return data, _tiff_pixel_size(path, file)


def _tiff_pixel_size(path: Path, file: Any) -> float | None:
    """From OME-XML, from ImageJ's unit and resolution, or from the baseline resolution, in this order."""
    for candidate in (_ome_size, _imagej_size, _baseline_size):
        sizes = candidate(file)
        if sizes is not None:
            return _square(path, *sizes)
    return None


def _ome_size(file: Any) -> tuple[float, float] | None:
    # A pattern finds the three attributes; no XML parser meets a file's text.
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", file.ome_metadata or "")
    if pixels is None:
        return None
    sizes = []
    for axis in "XY":
        size = re.search(rf'\bPhysicalSize{axis}="([^"]+)"', pixels[0])
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', pixels[0])
        nm = _in_nm(size[1] if size else None, unit[1] if unit else "µm")
        if nm is None:
            return None
        sizes.append(nm)
    return sizes[0], sizes[1]


def _imagej_size(file: Any) -> tuple[float, float] | None:
    unit = (file.imagej_metadata or {}).get("unit")
    if not unit:
        return None
    # ImageJ writes the micro sign as an escape.
    unit = str(unit).replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    return _from_resolution(file, lambda per_unit: _in_nm(1 / per_unit, unit))


def _baseline_size(file: Any) -> tuple[float, float] | None:
    tags = file.pages[0].tags
    unit = {2: "inch", 3: "cm"}.get(int(tags["ResolutionUnit"].value)) if "ResolutionUnit" in tags else None
    if unit is None:
        return None
    nm_per_unit = 2.54e7 if unit == "inch" else 1e7
    return _from_resolution(file, lambda per_unit: nm_per_unit / per_unit)


def _from_resolution(file: Any, convert: Callable[[float], float | None]) -> tuple[float, float] | None:
    """Sizes (x, y) in nm from the tags of pixels per unit; None if they are missing or a printer's."""
    tags, sizes = file.pages[0].tags, []
    for name in ("XResolution", "YResolution"):
        if name not in tags:
            return None
        above, below = tags[name].value
        if not above or not below:
            return None
        nm = convert(above / below)
        if nm is None or not 0 < nm < LARGEST_PIXEL_NM:
            return None
        sizes.append(nm)
    return sizes[0], sizes[1]


def _read_microscope_file(path: Path) -> tuple[NDArray[Any], float | None]:
    """The first two-dimensional image of a file; further ones of the same field are further channels."""
    require("rsciio", extra="io")
    reader = importlib.import_module(MICROSCOPE_READERS[path.suffix.lower()])
    found = [signal for signal in reader.file_reader(str(path)) if np.ndim(signal["data"]) in (2, 3)]
    if not found:
        raise UserError(f"{path}: holds no two-dimensional image")
    sizes = _signal_size(path, found[0])
    alike = [signal for signal in found if np.shape(signal["data"]) == np.shape(found[0]["data"])]
    data = [np.asarray(signal["data"]) for signal in alike]
    return (data[0] if len(data) == 1 or data[0].ndim == 3 else np.stack(data)), sizes


def _signal_size(path: Path, signal: dict[str, Any]) -> float | None:
    """Pixel size from the last two axes of a RosettaSciIO signal."""
    axes = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array") or 0)[-2:]
    sizes = [_in_nm(axis.get("scale"), axis.get("units")) for axis in axes]
    if sizes[0] is None or sizes[1] is None:
        return None
    return _square(path, sizes[1], sizes[0])


def _in_nm(value: Any, unit: Any) -> float | None:
    """`value` in nm; None if the value or its unit is not known to be a length."""
    factor = NM_PER_UNIT.get(str(unit).strip().lower().replace("μ", "µ").rstrip("s") if unit else "")
    try:
        size = float(value) * factor if factor else math.nan
    except (TypeError, ValueError):
        return None
    return abs(size) if math.isfinite(size) and size != 0 else None


def _square(path: Path, x: float, y: float) -> float:
    """One pixel size for both axes. UserError if they differ by more than 1 %."""
    if abs(x / y - 1) > 0.01:
        raise UserError(f"{path}: pixels are {x:g} nm by {y:g} nm; accepted: square pixels")
    return (x + y) / 2

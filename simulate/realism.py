"""What a microscope and a carbon film do to a clean image: dose, blur, scan errors, film, gain, read-out.

Corpora store clean images; realism is applied on reading, from a generator of its own for each sample, so one
corpus serves many conditions and a test set stays fixed. The order is that of the light path: film and
specimen scatter, the source blurs, the scan distorts, electrons are counted, the amplifier scales.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from simulate.laws import Law, Number, Strict, bounds, value_at

REALISM_STAGE = 4
"""Stage of a sample's seed that its recording is drawn from; `simulate.realise` has those before it."""

SD_PER_FWHM = 1 / 2.3548200450309493
"""Standard deviation of a Gaussian of unit full width at half maximum."""

SMALL_MEAN = 12.0
MOST_AT_SMALL_MEAN = 100  # the chance of more counts at this mean is below 1e-50


class Realism(Strict):
    """Conditions of recording; each may be a number or a law (drawn anew for every image).

    The defaults change nothing. `electrons_per_pixel` 0 means no counting noise.
    """

    electrons_per_pixel: Number = 0.0
    source_fwhm_nm: Number = 0.0
    scan_jitter_nm: Number = Field(default=0.0, description="standard deviation of each row's shift")
    drift_nm: Number = Field(default=0.0, description="shift between the first row and the last, along x")
    carbon_thickness_nm: Number = 0.0
    carbon_coefficient_per_um: Number = Field(default=0.07, description="scattered fraction per µm of film")
    carbon_relative_sd: Number = Field(
        default=0.0, description="relative standard deviation of the film's thickness"
    )
    carbon_correlation_nm: Number = Field(
        default=5.0, description="correlation length (Gaussian) of that thickness"
    )
    gain: Number = 1.0
    offset: Number = Field(default=0.0, description="added after the gain, fraction of the incident beam")
    readout_noise: Number = Field(
        default=0.0, description="standard deviation, fraction of the incident beam"
    )

    @model_validator(mode="after")
    def _not_negative(self) -> Realism:
        for name in type(self).model_fields:
            low = bounds(getattr(self, name))[0]
            if low < 0 and name not in ("offset", "drift_nm"):
                raise ValueError(f"{name} = {low:g} should be zero or above")
        if bounds(self.gain)[0] <= 0:
            raise ValueError("gain should be above zero")
        return self

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Values of one image: every law at its own random number, in the order of the keys."""
        uniforms = rng.random(len(type(self).model_fields))
        return {
            name: value_at(getattr(self, name), u)
            for name, u in zip(type(self).model_fields, uniforms, strict=True)
        }

    @property
    def laws(self) -> dict[str, float | Law]:
        """Every key with its number or law."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def apply_realism(
    image: NDArray[np.floating],
    pixel_size_nm: float,
    realism: Realism,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Recorded image of a clean one.

    image: (channel, y, x), fraction of the incident beam. Returns the same shape, float32, in the detector's
    units (fraction of the beam times gain, plus offset). All channels share the scan, the film and the gain,
    and count their own electrons. The result depends on its arguments alone.
    """
    values = realism.draw(rng)
    recorded = np.array(image, dtype=np.float32)
    if recorded.ndim != 3:
        raise ValueError(f"image has shape {recorded.shape}; expected (channel, y, x)")
    shape = recorded.shape[1:]
    film = _film(shape, pixel_size_nm, values, rng)
    if film is not None:
        recorded += (1 - recorded) * film
    _scan(recorded, pixel_size_nm, values, rng)
    _count(recorded, values["electrons_per_pixel"], rng)
    recorded *= np.float32(values["gain"])
    recorded += np.float32(values["offset"])
    if values["readout_noise"] > 0:
        noise = rng.standard_normal(recorded.shape, dtype=np.float32)
        recorded += np.float32(values["readout_noise"]) * noise
    return recorded


def _film(
    shape: tuple[int, ...], pixel_size_nm: float, values: dict[str, float], rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Fraction (y, x) that the carbon film scatters: 1 - exp(-coefficient thickness), thickness
    correlated.
    """
    depth = values["carbon_coefficient_per_um"] * values["carbon_thickness_nm"] * 1e-3
    if depth <= 0:
        return None
    relative = values["carbon_relative_sd"]
    if relative <= 0:
        return np.full(shape, -np.expm1(-depth), np.float32)
    noise = _correlated_noise(shape, values["carbon_correlation_nm"] / pixel_size_nm, rng)
    thickness = np.maximum(np.float32(1) + np.float32(relative) * noise, np.float32(0))
    return -np.expm1(np.float32(-depth) * thickness)


def _correlated_noise(
    shape: tuple[int, ...], length_pixels: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit-variance Gaussian noise of shape (y, x) whose correlation at distance r is exp(-(r / 2 length)^2).

    Periodic: white noise in the Fourier domain times the transform of a Gaussian of width `length_pixels`.
    """
    from scipy import fft

    white = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    rows, columns = (_gaussian_transform(size, length_pixels) for size in shape)
    white *= rows[:, None] * columns[None, : white.shape[1]]
    # The filter keeps the mean of its squared transform of the white noise's unit variance.
    kept = np.sqrt(np.mean(rows**2, dtype=np.float64) * np.mean(columns**2, dtype=np.float64))
    smooth = fft.irfft2(white, s=shape, overwrite_x=True)
    return np.asarray(smooth / np.float32(kept), dtype=np.float32)


def _gaussian_transform(size: int, sd_pixels: float) -> NDArray[np.float32]:
    """Transform (size,) of a normalised periodic Gaussian of standard deviation `sd_pixels`."""
    return np.exp(-2 * (np.pi * sd_pixels * np.fft.fftfreq(size)) ** 2).astype(np.float32)


def _scan(
    image: NDArray[np.float32], pixel_size_nm: float, values: dict[str, float], rng: np.random.Generator
) -> None:
    """Blur by the source and shift the rows by jitter and drift, in place, one pass along each axis."""
    from scipy import ndimage

    sd = values["source_fwhm_nm"] * SD_PER_FWHM / pixel_size_nm
    if sd > 0:
        for channel in image:
            ndimage.gaussian_filter(channel, sd, mode="nearest", output=channel, truncate=4.0)
    rows = image.shape[1]
    jitter, drift = values["scan_jitter_nm"], values["drift_nm"]
    if jitter <= 0 and drift == 0:
        return
    shifts = jitter * rng.standard_normal(rows) + drift * np.linspace(-0.5, 0.5, rows)
    _shift_rows(image, shifts / pixel_size_nm)


def _shift_rows(image: NDArray[np.float32], shifts: NDArray[np.float64]) -> None:
    """Move row y of every channel by `shifts[y]` pixels towards larger x, linearly interpolated, edges
    held.
    """
    width = image.shape[2]
    source = np.clip(np.arange(width)[None, :] - shifts[:, None], 0, width - 1)
    left = np.minimum(source.astype(np.intp), width - 2) if width > 1 else np.zeros_like(source, np.intp)
    weight = (source - left).astype(np.float32)
    right = np.minimum(left + 1, width - 1)
    for channel in image:
        below = np.take_along_axis(channel, left, axis=1)
        above = np.take_along_axis(channel, right, axis=1)
        channel[:] = below + weight * (above - below)


def _count(image: NDArray[np.float32], electrons: float, rng: np.random.Generator) -> None:
    """Replace the expected fraction by the counted one: Poisson(electrons x fraction) / electrons, in
    place.
    """
    if electrons > 0:
        _poisson(image.reshape(-1), electrons, rng)


@numba.njit(cache=True, nogil=True)
def _poisson(values, electrons, rng):  # type: ignore[no-untyped-def]
    """Counting noise on a flat float32 array, in place; exact at every mean.

    Small means by inversion (one uniform number, a search upwards from zero), which is several times faster
    there than NumPy's product of uniforms; large ones by the generator's own method.
    """
    for i in range(values.size):
        mean = values[i] * electrons
        if not mean > 0.0:
            values[i] = 0.0
        elif mean < SMALL_MEAN:
            rest = rng.random()
            probability = np.exp(-mean)
            count = 0
            while rest >= probability and count < MOST_AT_SMALL_MEAN:
                rest -= probability
                count += 1
                probability *= mean / count
            values[i] = count / electrons
        else:
            values[i] = rng.poisson(mean) / electrons

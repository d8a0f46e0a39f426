"""Two-dimensional descriptors of an image: what can be said of it without a model of the third dimension.

They feed the gradient-boosting baseline. Lengths are in nm, so that images of different pixel size compare.
Descriptors whose name starts with `depth` need the absolute level of the image; all others are the same for
any gain and offset. All are the same for an image turned by 90 degrees. What is undefined for an image
(everything but the pixel size, if nothing stands out of the background) is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from learn.foreground import find_foreground
from learn.image_measures import (
    BAND_EDGES_NM,
    BLOB_RADII_NM,
    QUANTILES,
    SMALLEST_MASK_PIXELS,
    granules,
    intensity_classes,
    levels,
    mass_profile,
    outline,
    waves,
)
from stochgeom.errors import UserError

SMALLEST_SIDE_PIXELS = 16
_PERCENT = [f"q{round(100 * q):02d}" for q in QUANTILES]

# Name -> meaning. Units are the last part of a name: nm, nm2, per_nm, per_um; no unit means a number.
LEVELS: dict[str, str] = {
    "depth_mean": "mean optical depth -ln(1 - I) inside the mask, I above the background",
    "depth_sd": "its standard deviation",
    **{f"depth_{q}": f"its quantile {q}" for q in _PERCENT},
    **{f"level_{q}_over_median": f"its quantile {q} over its median" for q in _PERCENT if q != "q50"},
    "level_cv": "standard deviation of the signal over its mean",
    "level_skewness": "its skewness",
    "level_kurtosis": "its excess kurtosis",
    "level_entropy_bits": "entropy of its histogram, 32 bins to four times the mean",
}
DESCRIPTORS: dict[str, str] = {
    "pixel_size_nm": "the pixel size given",
    "contrast_to_noise": "mean signal inside the mask over the background's noise, both smoothed by a pixel",
    "area_nm2": "area of the mask",
    "perimeter_nm": "length of its outline, holes included (Cauchy-Crofton)",
    "circularity": "4 pi area / perimeter^2",
    "equivalent_diameter_nm": "diameter of the disc of equal area",
    "radius_of_gyration_mask_nm": "2D radius of gyration of the mask",
    "aspect_ratio": "ratio of the mask's principal radii of gyration",
    "feret_max_nm": "largest width between parallel tangents",
    "feret_min_nm": "smallest width between parallel tangents",
    "filling": "area over the area of the ellipse with both Feret diameters",
    "components": "number of separate parts",
    "holes": "number of holes",
    "hole_area_share": "area of the holes over the area of the mask",
    "covered_share": "area of the mask over the area of the image",
    "box_counting_slope": "box-counting dimension of the mask, boxes of 2-16 pixels",
    "inscribed_max_nm": "radius of the largest disc inside the mask",
    "inscribed_mean_nm": "mean distance to the outline",
    "inscribed_median_nm": "median distance to the outline",
    "granules": "number of maxima of the distance to the outline",
    "granule_radius_mean_nm": "mean distance to the outline at these maxima",
    "granule_radius_cv": "its standard deviation over its mean",
    **LEVELS,
    "depth_mass_nm2": "optical depth summed over the area",
    "radius_of_gyration_mass_nm": "2D radius of gyration of the signal",
    "mass_aspect_ratio": "ratio of the signal's principal radii of gyration",
    "mass_r25_over_rg": "radius that holds a quarter of the signal, over the radius of gyration",
    "mass_r50_over_rg": "radius that holds half of it, likewise",
    "mass_r90_over_rg": "radius that holds nine tenths of it, likewise",
    "mass_radius_slope": "slope of ln(mass) against ln(radius) between a quarter and nine tenths of the mass",
    "middle_area_share": "share of the middle one of three intensity classes (Otsu)",
    "bright_area_share": "share of the brightest class",
    "middle_over_dim": "mean signal of the middle class over that of the dim one",
    "bright_over_dim": "mean signal of the bright class over that of the dim one",
    "bright_patches": "number of connected patches of the bright class",
    "bright_patch_diameter_nm": "diameter of the disc of their mean area",
    "bright_border_over_area_per_nm": "length of their outline over the area of the mask",
    "bright_offset_over_rg": "distance of the bright class's centre from the mask's, over the Rg of the mask",
    "bright_mass_share": "share of the signal in the bright class",
    "correlation_75_nm": "length at which the autocorrelation of the signal falls to 3/4",
    "correlation_50_nm": "the same, to 1/2",
    "correlation_25_nm": "the same, to 1/4",
    "correlation_slope": "slope of the ln-ln autocorrelation between 3/4 and 1/4",
    **{
        f"band_{low:g}_to_{high:g}_nm": f"share of the signal's power at wavelengths of {low:g}-{high:g} nm"
        for low, high in pairwise(BAND_EDGES_NM)
    },
    "gradient_energy_per_nm2": "mean square gradient over the mean square of the signal, smoothed over 2 nm",
    **{
        f"blobs_{low:g}_nm": f"number of bright blobs of radius {low:g}-{high:g} nm"
        for low, high in pairwise(BLOB_RADII_NM)
    },
    "blobs": "number of bright blobs of any size (maxima of the Laplacian of Gaussians)",
    "blobs_over_equivalent_discs": "summed area of the blobs over the area of the mask",
    "blob_radius_mean_nm": "mean radius of the blobs",
    "blob_radius_log_sd": "standard deviation of ln(radius)",
    "brightness_log_sd": "standard deviation of ln(brightness), the blob's answer over its radius",
    "brightness_skewness": "its skewness",
    "bright_blob_share": "share of blobs above Otsu's threshold of ln(brightness)",
    "bright_over_dim_blobs": "mean brightness above over below that threshold",
    "bright_over_dim_blob_radius": "mean radius above over below that threshold",
    "brightness_neighbour_correlation": "Moran's I of ln(brightness), three nearest neighbours",
    **{
        f"depth_over_blob_radius_{q}_per_um": f"quantile {q} of the absolute brightness of the blobs"
        for q in ("q10", "q50", "q90")
    },
}


def image_descriptors(image: np.ndarray, pixel_size_nm: float) -> dict[str, float]:
    """The descriptors of one image (C, H, W), in fractions of the incident beam, with pixels of
    `pixel_size_nm` nm.

    The names are those of DESCRIPTORS. The shape comes from the first channel; every further channel c adds
    those of LEVELS as `channel<c>_<name>`. Raises UserError for other axes, a value that is not finite or a
    pixel size that is not positive.
    """
    image = np.asarray(image, dtype=np.float64)
    _check(image, pixel_size_nm)
    pixel = float(pixel_size_nm)
    found = find_foreground(image[0])
    result = dict.fromkeys(DESCRIPTORS, np.nan) | {"pixel_size_nm": pixel}
    further = {f"channel{c}_{name}": np.nan for c in range(1, len(image)) for name in LEVELS}
    if found.mask.sum() < SMALLEST_MASK_PIXELS:
        return result | further
    if found.noise > 0:
        result["contrast_to_noise"] = float(found.smooth[found.mask].mean() / found.noise)
    result |= outline(found.mask, pixel) | granules(found.mask, pixel) | levels(found.smooth, found.mask)
    result |= mass_profile(found, pixel) | intensity_classes(found, pixel) | waves(found, pixel)
    for channel in range(1, len(image)):
        other = levels(find_foreground(image[channel]).smooth, found.mask)
        further |= {f"channel{channel}_{name}": value for name, value in other.items()}
    return result | further


def describe_images(
    images: Iterable[np.ndarray], pixel_sizes_nm: Iterable[float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Descriptors (n, k) float64 of n images (C, H, W), which may come from a generator, and the k names."""
    rows = [image_descriptors(image, size) for image, size in zip(images, pixel_sizes_nm, strict=True)]
    if not rows:
        raise UserError("images: none given")
    names = tuple(rows[0])
    return np.array([[row[name] for name in names] for row in rows]), names


def _check(image: np.ndarray, pixel_size_nm: float) -> None:
    if image.ndim != 3 or len(image) < 1 or min(image.shape[1:]) < SMALLEST_SIDE_PIXELS:
        side = SMALLEST_SIDE_PIXELS
        raise UserError(
            f"image of shape {image.shape}: expected (channel, y, x) of at least {side} x {side} pixels"
        )
    if not np.all(np.isfinite(image)):
        raise UserError("image: contains values that are not finite")
    if not (np.isfinite(pixel_size_nm) and pixel_size_nm > 0):
        raise UserError(f"pixel_size_nm = {pixel_size_nm}: expected a positive number of nm")

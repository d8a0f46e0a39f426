"""Parameters of every model that several tests run through."""

from __future__ import annotations

from stochgeom import HistogramRadii, LognormalRadii
from stochgeom.textures import (
    BooleanDiscParameters,
    BooleanFibreParameters,
    ExponentialCovariance,
    GaussianCovariance,
    GaussianFieldParameters,
    LamellaeParameters,
    LineTextureParameters,
    MaternCovariance,
    RingCovariance,
    VoronoiParameters,
)

SMALL = {"shape": (96, 112)}
RING = RingCovariance(wavelength_nm=16, length_nm=20)

WITH_FORMULA = {
    "field-gaussian": GaussianFieldParameters(
        **SMALL, volume_fraction=0.3, covariance=GaussianCovariance(length_nm=6)
    ),
    "field-exponential-window": GaussianFieldParameters(
        **SMALL, volume_fraction=0.7, covariance=ExponentialCovariance(length_nm=8), periodic=False
    ),
    "field-exponential-long-on-torus": GaussianFieldParameters(
        **SMALL, covariance=ExponentialCovariance(length_nm=30)
    ),
    "field-matern": GaussianFieldParameters(
        **SMALL, volume_fraction=0.4, covariance=MaternCovariance(length_nm=6, smoothness=1.2)
    ),
    "field-ring-stretched": GaussianFieldParameters(
        **SMALL, covariance=RING, stretch=2, orientation_degrees=30
    ),
    "discs": BooleanDiscParameters(**SMALL, volume_fraction=0.3),
    "discs-lognormal": BooleanDiscParameters(
        **SMALL, volume_fraction=0.6, radii=LognormalRadii(median_nm=5, geometric_sd=1.4)
    ),
    "discs-window": BooleanDiscParameters(
        **SMALL,
        periodic=False,
        pixel_size_nm=0.5,
        radii=HistogramRadii(edges_nm=(2, 4, 6), counts=(2, 1)),
    ),
    "fibres-parallel": BooleanFibreParameters(
        **SMALL, length_nm=30, width_nm=4, orientation_degrees=120, orientation_spread_degrees=0
    ),
    "fibres-spread": BooleanFibreParameters(
        **SMALL, length_nm=40, width_nm=5, orientation_degrees=20, orientation_spread_degrees=25
    ),
    "fibres-isotropic-window": BooleanFibreParameters(**SMALL, length_nm=30, width_nm=6, periodic=False),
    "fibres-meeting-on-torus": BooleanFibreParameters(
        **SMALL, length_nm=90, width_nm=6, orientation_degrees=0, orientation_spread_degrees=0
    ),
    "voronoi": VoronoiParameters(**SMALL, volume_fraction=0.3, grain_diameter_nm=10),
    "voronoi-window": VoronoiParameters(**SMALL, grain_diameter_nm=14, periodic=False),
    "lamellae": LamellaeParameters(**SMALL, volume_fraction=0.3),
    "lamellae-oblique-on-torus": LamellaeParameters(
        shape=(112, 112), period_nm=112 / 50**0.5, orientation_degrees=135, volume_fraction=0.6
    ),
    "lamellae-poisson-borders": LamellaeParameters(
        **SMALL, periodic=False, width_cv=1, orientation_degrees=75, volume_fraction=0.4, period_nm=12
    ),
}
# The second puts (5, 5) waves along the sides: period 112 / sqrt(50) at 45 degrees to them.

OTHERS = {
    "lines": LineTextureParameters(),
    "lines-harder": LineTextureParameters(count=(3, 7)),
    "lines-diagonal": LineTextureParameters(count=(3, 7), orientations=("diagonal",)),
    "lines-oblique": LineTextureParameters(orientations=(20.0, 110.5), length_nm=(80, 150)),
    "lamellae-random": LamellaeParameters(periodic=False, width_cv=0.3, orientation_degrees=None),
}
ALL = WITH_FORMULA | OTHERS

"""Two-phase textures: line textures and random microstructure models, with their truth.

`stochgeom.textures.measure` says what an image shows; `stochgeom.textures.pictures` draws.
"""

from .boolean_discs import BooleanDiscParameters
from .boolean_fibres import BooleanFibreParameters
from .covariances import (
    Covariance,
    ExponentialCovariance,
    GaussianCovariance,
    MaternCovariance,
    RingCovariance,
)
from .gaussian_field import GaussianFieldParameters
from .lamellae import LamellaeParameters
from .lines import LineTextureParameters
from .models import TextureParameters, expected_volume_fraction, sample_texture, two_point
from .texture import Texture
from .voronoi import VoronoiParameters

__all__ = [
    "BooleanDiscParameters",
    "BooleanFibreParameters",
    "Covariance",
    "ExponentialCovariance",
    "GaussianCovariance",
    "GaussianFieldParameters",
    "LamellaeParameters",
    "LineTextureParameters",
    "MaternCovariance",
    "RingCovariance",
    "Texture",
    "TextureParameters",
    "VoronoiParameters",
    "expected_volume_fraction",
    "sample_texture",
    "two_point",
]

"""The stochastic 3D model of hetero-aggregates: sampling, contacts, descriptors, projection; textures."""

from .aggregate import HeteroAggregate
from .aggregation import sample_aggregate
from .descriptors import describe, descriptor_names
from .errors import InfeasibleParametersError, MissingExtraError, UserError
from .feasibility import check_feasible
from .parameters import AggregateParameters, Species
from .projection import Chords, Field, chord_lengths, chord_lengths_at, particle_chords
from .radius_laws import ConstantRadii, HistogramRadii, LognormalRadii, NormalRadii, ScipyRadii
from .silhouette import describe_projection
from .textures import LineTextureParameters, Texture, sample_texture

__all__ = [
    "AggregateParameters",
    "Chords",
    "ConstantRadii",
    "Field",
    "HeteroAggregate",
    "HistogramRadii",
    "InfeasibleParametersError",
    "LineTextureParameters",
    "LognormalRadii",
    "MissingExtraError",
    "NormalRadii",
    "ScipyRadii",
    "Species",
    "Texture",
    "UserError",
    "check_feasible",
    "chord_lengths",
    "chord_lengths_at",
    "describe",
    "describe_projection",
    "descriptor_names",
    "particle_chords",
    "sample_aggregate",
    "sample_texture",
]

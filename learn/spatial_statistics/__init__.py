"""Spatial statistics of tensors: `stochgeom.spatial_statistics` once more, with gradients.

Names, arguments and shapes are the same. Batches of images are computed together, in their own precision, on
their own device. Definitions, and what each argument does: there, and docs/spatial-statistics.md.
"""

from stochgeom.spatial_statistics import lags_nm

from .correlations import autocorrelation, cross_correlation, two_point
from .counts import chord_length_density, label_clusters, phase_chord_lengths, two_point_cluster
from .curves import directional_cut, radial_mean
from .distance import statistics_distance
from .lines import lineal_path
from .phases import annealed_eps, indicators, soft_indicator, soft_indicators

__all__ = [
    "annealed_eps",
    "autocorrelation",
    "chord_length_density",
    "cross_correlation",
    "directional_cut",
    "indicators",
    "label_clusters",
    "lags_nm",
    "lineal_path",
    "phase_chord_lengths",
    "radial_mean",
    "soft_indicator",
    "soft_indicators",
    "statistics_distance",
    "two_point",
    "two_point_cluster",
]

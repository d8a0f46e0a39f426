"""Spatial statistics of images of phases: correlations, lineal paths, clusters, chords.

Images have any leading dimensions and end in (y, x); `learn.spatial_statistics` has the same functions for
torch, with gradients. `lags_nm` says where the lags of a map lie. Definitions: docs/spatial-statistics.md.
"""

from .clusters import label_clusters, two_point_cluster
from .correlations import autocorrelation, cross_correlation, two_point
from .curves import directional_cut, radial_mean
from .distance import statistics_distance
from .lags import lags_nm
from .lines import chord_length_density, lineal_path, phase_chord_lengths
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

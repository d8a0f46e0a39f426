"""Clustering of patches of micrographs: mixtures of Gaussians, their criteria, their scores against truth."""

from learn.clustering.patch_clusters import Clustering, cluster
from learn.clustering.settings import ClusteringSettings, clustering_settings

__all__ = ["Clustering", "ClusteringSettings", "cluster", "clustering_settings"]

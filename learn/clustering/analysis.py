"""All that a report on clusters shows, computed before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.clustering.patch_clusters import Clustering, cluster
from learn.clustering.scan import ScanRow, check_windows, scan
from learn.clustering.scores import LATTICE_NM, score_labels
from learn.clustering.settings import ClusteringSettings, Covariance, Descriptor
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import PatchTruth, patch_truth


@dataclass(frozen=True)
class ScanPlan:
    """What a scan varies; empty for what stays."""

    clusters: Sequence[int] = ()
    covariances: Sequence[Covariance] = ()
    windows_px: Sequence[int] = ()
    descriptors: Sequence[Descriptor] = ()

    def __bool__(self) -> bool:
        return any((self.clusters, self.covariances, self.windows_px, self.descriptors))


@dataclass(frozen=True, eq=False)
class ClusterAnalysis:
    """Clusters of patches; with truth `scores` of the labels, `control`, those of the true regions themselves
    on the same cells, what no labels can surpass, and `chance`, those of the labels in random order. `about`:
    how the patches were cut, for the record.
    """

    patch_set: PatchSet
    clustering: Clustering
    tolerance_nm: float
    truth: PatchTruth | None = None
    scores: dict[str, float] = field(default_factory=dict)
    control: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    rows: tuple[ScanRow, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def region_names(self) -> dict[int, str]:
        """Words for the numbers of `truth.region`, by the first image that has a truth."""
        if self.truth is None:
            return {}
        image = next(one for one in self.patch_set.micrographs if one.truth is not None)
        assert image.truth is not None
        phases, domains = image.truth.phase_names, image.truth.domain_names
        return {
            int(region): _region_name(phases, domains, int(region))
            for region in np.unique(self.truth.region)
            if region >= 0
        }

    def region_places(self) -> dict[int, int]:
        """For each true region the number of the cluster that it agrees with most, one to one, for its
        colour; regions without a cluster of their own get numbers beyond.
        """
        from scipy.optimize import linear_sum_assignment

        _, counts = self.crosstab()
        clusters, places = linear_sum_assignment(-counts)
        regions = list(self.region_names)
        found = {regions[place]: int(k) for k, place in zip(clusters, places, strict=True)}
        rest = [region for region in regions if region not in found]
        return found | {region: len(counts) + k for k, region in enumerate(rest)}

    def crosstab(self) -> tuple[list[str], NDArray[np.int64]]:
        """Names of the true regions, and numbers (cluster, region) of patches."""
        assert self.truth is not None
        names = self.region_names
        k = self.clustering.settings.clusters
        counts = np.array(
            [
                np.bincount(self.clustering.labels[self.truth.region == region], minlength=k)
                for region in names
            ],
            np.int64,
        ).reshape(len(names), k)
        return list(names.values()), counts.T


def analyse_clusters(
    patch_set: PatchSet,
    settings: ClusteringSettings,
    plan: ScanPlan | None = None,
    tolerance_nm: float = LATTICE_NM,
    about: dict[str, Any] | None = None,
    tell: Callable[[str], None] | None = None,
) -> ClusterAnalysis:
    """Cluster, score where there is truth, and scan if there is a plan. UserError as `cluster`, `scan`."""
    plan = plan or ScanPlan()
    check_windows(patch_set, plan.windows_px)
    found = cluster(patch_set, settings)
    known = any(image.truth is not None for image in patch_set.micrographs)
    truth = patch_truth(patch_set) if known else None
    scores, control, chance = {}, {}, {}
    if truth is not None:
        scores = score_labels(found.labels, patch_set, tolerance_nm, truth)
        control = score_labels(truth.region, patch_set, tolerance_nm, truth)
        shuffled = np.random.default_rng(settings.seed).permutation(found.labels)
        chance = score_labels(shuffled, patch_set, tolerance_nm, truth)
    rows: list[ScanRow] = []
    if plan:
        rows = scan(
            patch_set,
            settings,
            plan.clusters,
            plan.covariances,
            plan.windows_px,
            plan.descriptors,
            tolerance_nm=tolerance_nm,
            tell=tell,
        )
    return ClusterAnalysis(
        patch_set, found, tolerance_nm, truth, scores, control, chance, tuple(rows), dict(about or {})
    )


def _region_name(phases: Sequence[str], domains: Sequence[str], region: int) -> str:
    phase, domain = divmod(region, 256)
    names = [phases[phase] if phase < len(phases) else f"phase {phase}"]
    if domain < len(domains) and domains[domain] not in names:
        names.append(domains[domain])
    return ", ".join(names)

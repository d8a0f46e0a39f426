"""Many clusterings of the same patches: numbers of clusters, covariances, windows side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from learn.clustering.descriptors import describe_patches
from learn.clustering.patch_clusters import Clustering, cluster
from learn.clustering.scores import LATTICE_NM, score_labels
from learn.clustering.settings import ClusteringSettings, Covariance, Descriptor
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import patch_truth
from stochgeom.errors import UserError


@dataclass(frozen=True)
class ScanRow:
    """One clustering of a scan: its criteria, scores against truth by name (empty without), and its cost."""

    settings: ClusteringSettings
    patches: int
    bic: float
    icl: float
    parameters: int
    iterations: int
    converged: bool
    seconds: float
    remarks: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)


def scan(
    patch_set: PatchSet,
    settings: ClusteringSettings | None = None,
    clusters: Sequence[int] = (),
    covariances: Sequence[Covariance] = (),
    windows_px: Sequence[int] = (),
    descriptors: Sequence[Descriptor] = (),
    tolerance_nm: float = LATTICE_NM,
    tell: Callable[[str], None] | None = None,
) -> list[ScanRow]:
    """Cluster with every combination; what is not varied is as in `settings`.

    Windows are the middles of the patches, so cut those as large as the largest. Scores are filled in where a
    micrograph has truth. UserError as `cluster` raises it, before the first fit for windows.
    """
    settings = ClusteringSettings() if settings is None else settings
    check_windows(patch_set, windows_px)
    smallest = min(patch_set.window)
    known = any(image.truth is not None for image in patch_set.micrographs)
    truth, graph = patch_truth(patch_set), neighbour_graph(patch_set)
    rows = []
    sides: Sequence[int | None] = windows_px or (settings.window_px,)
    for side, descriptor in product(sides, descriptors or (settings.descriptor,)):
        base = settings.with_(window_px=side, descriptor=descriptor)
        described = describe_patches(patch_set, base)
        for k, covariance in product(clusters or (settings.clusters,), covariances or (settings.covariance,)):
            one = base.with_(clusters=k, covariance=covariance)
            started = time.perf_counter()
            found = cluster(patch_set, one, described)
            seconds = time.perf_counter() - started
            scores = score_labels(found.labels, patch_set, tolerance_nm, truth, graph) if known else {}
            rows.append(_row(found, seconds, scores))
            if tell is not None:
                tell(f"{one.words}, window {side or smallest}: ICL {found.icl:,.0f}, {seconds:.1f} s")
    return rows


def check_windows(patch_set: PatchSet, windows_px: Sequence[int]) -> None:
    """UserError, one line, for a window that the patches do not hold."""
    smallest = min(patch_set.window)
    for window in windows_px:
        if not 1 <= window <= smallest:
            raise UserError(
                f"a window of {window} pixels of patches of {smallest}; accepted: 1 to {smallest}"
            )


def best_row(rows: Sequence[ScanRow], criterion: str = "icl") -> ScanRow:
    """The row that a criterion (bic or icl) prefers; `rows` should be of one window and descriptor."""
    return min(rows, key=lambda row: float(getattr(row, criterion)))


def comparable(rows: Sequence[ScanRow]) -> list[list[ScanRow]]:
    """Rows of one window and descriptor together: only their criteria may be compared."""
    groups: dict[tuple[int | None, str], list[ScanRow]] = {}
    for row in rows:
        groups.setdefault((row.settings.window_px, row.settings.descriptor), []).append(row)
    return list(groups.values())


def _row(found: Clustering, seconds: float, scores: dict[str, float]) -> ScanRow:
    return ScanRow(
        found.settings,
        len(found.labels),
        found.bic,
        found.icl,
        found.parameters,
        found.iterations,
        found.converged,
        seconds,
        found.remarks,
        scores,
    )

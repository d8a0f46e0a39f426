"""What `heterostem cluster` does: patches of micrographs, clusters of these, a report."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.clustering.analysis import ScanPlan

Paths = Annotated[list[Path], Parameter(negative_iterable="")]
Numbers = Annotated[list[int] | None, Parameter(negative_iterable="", consume_multiple=True)]
Covariances = Annotated[
    list[Literal["full", "tied", "diag", "spherical"]] | None,
    Parameter(negative_iterable="", consume_multiple=True),
]
Descriptors = Annotated[
    list[Literal["raw", "pca", "nmf"]] | None, Parameter(negative_iterable="", consume_multiple=True)
]


@Parameter(name="*")
@dataclass(frozen=True)
class CutOptions:
    """How patches are cut.

    Parameters
    ----------
    window_px
        Side of a patch in pixels.
    centres
        Patches about atomic columns, or on a grid.
    step_px
        Step of the grid in pixels.
    brightest_within_nm
        Only columns with no brighter one within this distance: one sublattice (0.33 keeps the A sites of a
        perovskite).
    separation_nm
        Least distance of two columns.
    column_width_nm
        Standard deviation of a column's spot.
    threshold
        Least height of a column's spot, as a share of the typical one's.
    channel
        Channel of the image, from 0 on, in which columns are looked for.
    normalise
        To mean 0 and deviation 1 of each patch or each image; or none.
    interpolate
        Centre patches between pixels; without, at the nearest pixel.
    """

    window_px: int = 40
    centres: Literal["columns", "grid"] = "columns"
    step_px: float = 10
    brightest_within_nm: float | None = None
    separation_nm: float = 0.11
    column_width_nm: float = 0.04
    threshold: float = 0.12
    channel: int = 0
    normalise: Literal["none", "patch", "image"] = "none"
    interpolate: bool = True


@Parameter(name="*")
@dataclass(frozen=True)
class MixtureOptions:
    """How patches are clustered.

    Parameters
    ----------
    clusters
        Components of the mixture (5).
    descriptor
        Of each patch its pixels, raw (which it is if not given), or its principal or non-negative components.
    components
        Number of these (10).
    covariance
        Of each cluster: full (which it is if not given), tied, diag or spherical.
    regularisation
        Added to all variances, as a share of their mean (1e-5).
    restarts
        Fits from other starts; the likeliest counts (1).
    iterations
        At most so many of expectation-maximisation (100).
    seed
        Seed of the starts (0).
    """

    clusters: int | None = None
    descriptor: Literal["raw", "pca", "nmf"] | None = None
    components: int | None = None
    covariance: Literal["full", "tied", "diag", "spherical"] | None = None
    regularisation: float | None = None
    restarts: int | None = None
    iterations: int | None = None
    seed: int | None = None

    def given(self) -> dict[str, Any]:
        """The options that were given."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class ScanOptions:
    """What else is tried, and compared by BIC and ICL.

    Parameters
    ----------
    scan_clusters
        Numbers of clusters.
    scan_covariance
        Kinds of covariance.
    scan_window
        Sides in pixels of the middles of patches, none larger than --window-px.
    scan_descriptor
        Kinds of descriptor.
    """

    scan_clusters: Numbers = None
    scan_covariance: Covariances = None
    scan_window: Numbers = None
    scan_descriptor: Descriptors = None

    def plan(self) -> ScanPlan:
        """The plan of a scan. UserError for numbers below 1."""
        from learn.clustering.analysis import ScanPlan

        for name, values in (("clusters", self.scan_clusters), ("window", self.scan_window)):
            for value in values or ():
                if value < 1:
                    raise UserError(f"--scan-{name} {value}: accepted: 1 or more")
        return ScanPlan(
            self.scan_clusters or (),
            self.scan_covariance or (),
            self.scan_window or (),
            self.scan_descriptor or (),
        )


Cut = Annotated[CutOptions | None, Parameter(name="*")]
Mixture = Annotated[MixtureOptions | None, Parameter(name="*")]
Scan = Annotated[ScanOptions | None, Parameter(name="*")]


def cluster(
    source: Paths,
    *,
    out: Path,
    pixel_size_nm: float | None = None,
    samples: Numbers = None,
    clean: bool = False,
    cut: Cut = None,
    mixture: Mixture = None,
    scan: Scan = None,
    wall_tolerance_nm: float = 0.4,
) -> None:
    """Cluster patches of micrographs, and write a report, tables, arrays and pictures.

    Where the micrographs have truth, labels and the walls between them are scored against it.

    Parameters
    ----------
    source
        Corpus of scenes; or image files (TIFF, NPY, PNG; dm3, dm4, emd, mrc with the extra io), or a folder
        of them.
    out
        Folder for report.html, metrics.json, clusters.csv, clusters.npz and the pictures.
    pixel_size_nm
        Pixel size of image files, where they do not state it, or state it wrongly.
    samples
        Samples of a corpus, by number; all that are finished if not given.
    clean
        Of a corpus the images without the realism of its recipe.
    wall_tolerance_nm
        Walls are found where they should be if they are no further than this away: one lattice spacing.
    """
    from learn.clustering.analysis import analyse_clusters
    from learn.clustering.report import write_cluster_report
    from learn.clustering.settings import clustering_settings
    from learn.clustering.sources import Cutting
    from learn.clustering.sources import cut as cut_micrographs
    from learn.micrographs.reading import micrographs_at
    from learn.report_page import check_writable

    settings = clustering_settings(**(mixture or MixtureOptions()).given())
    plan = (scan or ScanOptions()).plan()
    if not wall_tolerance_nm > 0:
        raise UserError(f"--wall-tolerance-nm {wall_tolerance_nm:g}: accepted: above zero")
    if any(Path(one).resolve() == out.resolve() for one in source):
        raise UserError(f"--out {out} is the source, whose next reading would take pictures for micrographs")
    micrographs = micrographs_at(source, samples, pixel_size_nm, clean)
    patches, about = cut_micrographs(micrographs, Cutting(**asdict(cut or CutOptions())))
    check_writable(out)
    images = f"{len(micrographs)} micrograph{'s' if len(micrographs) > 1 else ''}"
    print(f"{len(patches):,} patches of {images}, {patches.dropped:,} left the image")
    analysis = analyse_clusters(patches, settings, plan, wall_tolerance_nm, about, tell=print)
    for line in _found(analysis.scores):
        print(line)
    print(f"report: {write_cluster_report(analysis, out)}")


def _found(scores: dict[str, float]) -> list[str]:
    if not scores:
        return []
    # Where the truth knows one class only, there is nothing to agree on.
    indices = {k: scores[f"ari_{k}"] for k in ("phase", "region", "kind")}
    agreed = ", ".join(f"{k} {index:z.3f}" for k, index in indices.items() if not math.isnan(index))
    return [f"adjusted Rand index: {agreed or 'one class only'}", f"walls: {_walls(scores)}"]


def _walls(scores: dict[str, float]) -> str:
    found = f"{scores['wall_found_length_nm']:.1f} nm found"
    if math.isnan(scores["wall_f1"]):
        return f"{found}, {scores['wall_true_length_nm']:.1f} nm true: nothing to score"
    return (
        f"F1 {scores['wall_f1']:.3f}, precision {scores['wall_precision']:.3f}, recall "
        f"{scores['wall_recall']:.3f}; {found}, {scores['wall_true_length_nm']:.1f} nm true"
    )

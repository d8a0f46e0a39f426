"""Draws the picture of docs/clustering.md: a simulated scene, the clusters of its patches, and the truth.

Run: python docs/make_clustering.py CORPUS [--sample 0] [--clusters 5] [--within-nm 0.33] [--window-px 24]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from learn.clustering import clustering_settings
from learn.clustering.analysis import analyse_clusters
from learn.clustering.plots import map_figure
from learn.clustering.sources import Cutting, cut
from learn.micrographs.reading import micrographs_at
from learn.plots import png, styled


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--clusters", type=int, default=5)
    parser.add_argument("--within-nm", type=float, default=0.33)
    parser.add_argument("--window-px", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    cutting = Cutting(window_px=options.window_px, brightest_within_nm=options.within_nm)
    patches, about = cut(micrographs_at([options.corpus], [options.sample]), cutting)
    settings = clustering_settings(descriptor="pca", components=5, clusters=options.clusters)
    analysis = analyse_clusters(patches, settings, about=about)
    print(about, analysis.scores, analysis.control, sep="\n")
    with styled():
        (options.out / "clustering.png").write_bytes(png(map_figure(analysis), 256))


if __name__ == "__main__":
    main()

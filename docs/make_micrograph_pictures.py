"""Draws the picture of docs/micrographs.md: one sample of each of some corpora of scenes, with its truth.

Run: python docs/make_micrograph_pictures.py CORPUS[:SAMPLE] ... [--out docs/pictures]

for example of corpora that `heterostem generate graphene-small --out FOLDER` makes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulate.corpus.reader import Corpus
from simulate.micrographs.pictures import draw_row


def main() -> None:
    """Write micrographs.png."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    asked = parser.parse_args()
    figure = Figure(figsize=(13.6, 4.1 * len(asked.corpora)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(asked.corpora), 3, squeeze=False)
    for axes, corpus in zip(rows, asked.corpora, strict=True):
        folder, _, sample = corpus.partition(":")
        draw_row(list(axes), Corpus.open(folder), int(sample or 0), noisy=True)
    _save_small(figure, asked.out / "micrographs.png")


def _save_small(figure: Figure, path: Path) -> None:
    """With 255 colours, rare ones too: pages are light."""
    from PIL import Image

    figure.savefig(path, dpi=66)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()

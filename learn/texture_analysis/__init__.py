"""Scores, baselines and the report of texture autoencoders: docs/texture-vae.md."""

from .analysis import TextureAnalysis, analyse_textures
from .methods import TextureVAE
from .published import PublishedFigures
from .report import write_analysis, write_texture_report
from .texture_set import (
    PackedImages,
    TextureSet,
    corpus_textures,
    draw_textures,
    textures_of,
    textures_of_arrays,
)

__all__ = [
    "PackedImages",
    "PublishedFigures",
    "TextureAnalysis",
    "TextureSet",
    "TextureVAE",
    "analyse_textures",
    "corpus_textures",
    "draw_textures",
    "textures_of",
    "textures_of_arrays",
    "write_analysis",
    "write_texture_report",
]

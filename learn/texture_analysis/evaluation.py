"""One method on a test set: scores of every image, figures with intervals, errors of the two-point
function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from learn.scores import Estimate

from .curves import Curve, CurveErrors
from .methods import Method, Predicted
from .scores import RAW, Bootstrap, Figure, ImageScores, score_images, summarise, thresholded
from .statistics_vectors import VectorBlocks, two_point_maps
from .texture_set import TextureSet

Kind = Literal["vae", "images", "statistics"]
PIXEL_COLUMNS = ("f_mse", "data_mse")


@dataclass(frozen=True)
class MethodResult:
    """What one method reached. scores and figures go by the reading: the output as it is (`raw`), or as two
    phases (`at 0.5`); a method that predicts statistics alone has only the first.
    """

    label: str
    kind: Kind
    remark: str
    scores: dict[str, ImageScores]
    figures: dict[str, dict[str, Estimate]]
    curves: dict[str, Curve]

    def column(self, name: str, threshold: float) -> np.ndarray:
        """Scores (n,) of each image by the reading in which methods are compared (`compared_reading`)."""
        reading = compared_reading(name, threshold)
        return getattr(self.scores.get(reading, self.scores[RAW]), name)  # type: ignore[no-any-return]

    def figure(self, figure: Figure, threshold: float) -> Estimate:
        """A figure of merit by the reading in which methods are compared."""
        reading = compared_reading(figure.column, threshold)
        return self.figures.get(reading, self.figures[RAW])[figure.key]


def reading_at(threshold: float) -> str:
    """The name of the reading of two phases cut at a threshold."""
    return f"at {threshold:g}"


def compared_reading(column: str, threshold: float) -> str:
    """Distances are taken of the output as it is, what an image shows of its two phases."""
    return RAW if column in PIXEL_COLUMNS else reading_at(threshold)


def evaluate(
    method: Method,
    kind: Kind,
    test: VectorBlocks,
    classes: np.ndarray,
    threshold: float,
    bootstrap: Bootstrap,
) -> MethodResult:
    """Score a method on every image of the test set; classes as in `score_images`."""
    textures = test.textures
    parts: dict[str, list[ImageScores]] = {RAW: []}
    curves = CurveErrors(textures.shape)
    for (rows, predicted), (_, vectors) in zip(method.blocks(textures), test, strict=True):
        for reading, scores in _scores(predicted, vectors, textures, rows, classes, threshold).items():
            parts.setdefault(reading, []).append(scores)
        maps = [two_point_maps(one, textures.shape) for one in (predicted.vectors, vectors)]
        curves.add(maps[0], maps[1], textures.orientation_degrees[rows])
    scores_by = {reading: ImageScores.joined(found) for reading, found in parts.items()}
    return MethodResult(
        label=method.label,
        kind=kind,
        remark=method.remark,
        scores=scores_by,
        figures={reading: summarise(one, bootstrap) for reading, one in scores_by.items()},
        curves=curves.curves(),
    )


def _scores(
    predicted: Predicted,
    vectors: np.ndarray,
    textures: TextureSet,
    rows: slice,
    classes: np.ndarray,
    threshold: float,
) -> dict[str, ImageScores]:
    if predicted.images is None:
        square = ((predicted.vectors - vectors) ** 2).sum(axis=1, dtype=np.float64)
        return {RAW: ImageScores.of_statistics(square)}
    originals = textures.pictures(rows)
    outputs = {RAW: predicted.images, reading_at(threshold): thresholded(predicted.images, threshold)}
    return {
        reading: score_images(
            originals,
            images,
            volume_fraction=textures.volume_fraction[rows],
            orientation_degrees=textures.orientation_degrees[rows],
            count=textures.count[rows],
            classes=classes,
        )
        for reading, images in outputs.items()
    }

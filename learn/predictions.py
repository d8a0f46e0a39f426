"""Predicting for corpora and image files, and writing what came out: a table, CSV, JSON, pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.data import TrainingCorpus, recorded
from learn.estimator import Estimator, Prediction
from learn.files import write_text
from learn.images import read_image
from learn.targets import column_values
from simulate.realism import Realism
from stochgeom.errors import UserError

BATCH = 256


@dataclass(frozen=True)
class Predictions:
    """A prediction with what it was made for: a label, a pixel size (nm) and, if known, the truth (n, t) of
    each image.

    `images` are the network's inputs (n, channel, y, x) where they were kept for pictures.
    """

    labels: tuple[str, ...]
    pixel_size_nm: NDArray[np.float64]
    found: Prediction
    truth: NDArray[np.float64] | None = None
    images: NDArray[np.float32] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Flat records: image, pixel_size_nm, unlike_training, and T, T_sd, T_lower, ... per target T."""
        rows = []
        for k, label in enumerate(self.labels):
            row: dict[str, Any] = {"image": label, "pixel_size_nm": float(self.pixel_size_nm[k])}
            row["unlike_training"] = bool(self.found.unlike[k])
            for j, name in enumerate(self.found.names):
                row[name] = float(self.found.value[k, j])
                row[f"{name}_sd"] = float(self.found.sd[k, j])
                row[f"{name}_lower"] = float(self.found.lower[k, j])
                row[f"{name}_upper"] = float(self.found.upper[k, j])
                if self.truth is not None:
                    row[f"{name}_true"] = float(self.truth[k, j])
            rows.append(row)
        return rows

    def to_csv(self) -> str:
        """Comma-separated text, one line per image; numbers in full precision."""
        rows = self.rows()
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_json(self) -> str:
        """The same records as JSON, with the units; undefined values are null."""
        rows = [{key: _plain(value) for key, value in row.items()} for row in self.rows()]
        units = dict(zip(self.found.names, self.found.units, strict=True))
        return json.dumps({"units": units, "interval": 0.9, "images": rows}, indent=1, allow_nan=False) + "\n"

    def table(self, most: int = 20) -> str:
        """Readable text: for each image the targets with their calibrated 90 % intervals."""
        blocks = []
        width = max(len(name) for name in self.found.names)
        for k, label in enumerate(self.labels[:most]):
            note = "   UNLIKE THE TRAINING IMAGES: do not rely on this" if self.found.unlike[k] else ""
            lines = [f"{label}   {self.pixel_size_nm[k]:.4g} nm per pixel{note}"]
            for j, (name, unit) in enumerate(zip(self.found.names, self.found.units, strict=True)):
                value, low, high = (self.found.value[k, j], self.found.lower[k, j], self.found.upper[k, j])
                suffix = "" if unit == "1" else f" {unit}"
                lines.append(f"  {name:<{width}}  {value:9.4g}{suffix}   90 %: {low:.4g} to {high:.4g}")
            blocks.append("\n".join(lines))
        if len(self.labels) > most:
            blocks.append(f"... and {len(self.labels) - most} more")
        return "\n\n".join(blocks)

    def write(self, folder: Path, pictures: bool = False) -> list[Path]:
        """Write predictions.csv and .json into `folder`, and a picture of each kept image if asked."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "predictions.csv", self.to_csv())
            write_text(folder / "predictions.json", self.to_json())
            drawn = self._draw(folder) if pictures and self.images is not None else []
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"predictions cannot be written to {folder}: {reason}") from error
        return [folder / "predictions.csv", folder / "predictions.json", *drawn]

    def _draw(self, folder: Path) -> list[Path]:
        from learn.pictures import draw_prediction

        assert self.images is not None
        width, paths = len(str(len(self.labels) - 1)), []
        for k, label in enumerate(self.labels):
            path = folder / f"{k:0{width}d}-{Path(label).stem}.png"
            draw_prediction(path, label, self.images[k], float(self.pixel_size_nm[k]), self.found, k)
            paths.append(path)
        return paths


def predict_corpus(
    estimator: Estimator,
    corpus: TrainingCorpus,
    split: str = "test",
    limit: int | None = None,
    symmetries: bool = True,
    keep_images: bool = False,
    realism: Realism | None = None,
) -> Predictions:
    """Predictions for the recorded images of a split, with the truths of the targets that the corpus knows.

    The images are recorded as those that the estimator was trained with, unless `realism` says otherwise.
    """
    rows = corpus.indices(split)[:limit]
    if len(rows) == 0:
        raise UserError(f"the corpus has no finished samples in the split {split!r}")
    if realism is None:
        realism = trained_realism(estimator, corpus)
    kept: list[NDArray[np.float32]] | None = [] if keep_images else None
    found = predict_rows(estimator, corpus, rows, realism, symmetries, keep=kept)
    known = {*corpus.parameter_names, *corpus.descriptor_names}
    truth = column_values(corpus, estimator.names)[rows] if set(estimator.names) <= known else None
    pixel = np.asarray(corpus.pixel_size[:], np.float64)[rows]
    images = None if kept is None else np.concatenate(kept)
    return Predictions(tuple(f"sample-{row}" for row in rows), pixel, found, truth, images)


def trained_realism(estimator: Estimator, corpus: TrainingCorpus) -> Realism:
    """How an estimator's training images were recorded; the recipe's way where it does not say."""
    trained = estimator.about.get("realism")
    return corpus.recipe.realism if trained is None else Realism.model_validate(trained)


def predict_rows(
    estimator: Estimator,
    corpus: TrainingCorpus,
    rows: NDArray[np.int64],
    realism: Realism,
    symmetries: bool = True,
    tell: Callable[[int], None] = lambda done: None,
    keep: list[NDArray[np.float32]] | None = None,
) -> Prediction:
    """Estimates for the images of samples `rows` (n,), each recorded as its own draw 0 of `realism`.

    `tell` is called with the number done; `keep` takes the recorded images, batch by batch.
    """
    pixel, parts = np.asarray(corpus.pixel_size[:], np.float64), []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        clean = _clean(corpus, some)
        images = np.stack(
            [recorded(corpus, image, int(row), realism, 0) for row, image in zip(some, clean, strict=True)]
        )
        parts.append(estimator.predict(images, pixel[some], symmetries))
        if keep is not None:
            keep.append(images)
        tell(start + len(some))
    return joined(parts)


def _clean(corpus: TrainingCorpus, rows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Clean images of some samples; phase maps together, as many of them lie in one chunk."""
    if getattr(corpus.images, "dtype", None) == np.uint8:
        return list(np.asarray(corpus.images[rows], np.float32))
    return [np.asarray(corpus.images[int(row)], np.float32) for row in rows]


def predict_files(
    estimator: Estimator,
    paths: Sequence[str | Path],
    pixel_size_nm: float | None = None,
    dark: float = 0.0,
    beam: float = 1.0,
    symmetries: bool = True,
) -> Predictions:
    """Predictions for image files, each resampled to the network's input; see `learn.images` for what is
    read.

    `dark` and `beam` are the detector's levels without beam and with all of it, which make fractions of the
    beam.
    """
    images, sizes = [], []
    for path in paths:
        image = read_image(path, pixel_size_nm).normalised(dark, beam)
        pixels, size = image.fitted(estimator.config.channels, estimator.config.shape)
        images.append(pixels)
        sizes.append(size)
    if not images:
        raise UserError("no image to predict for")
    stack, pixel = np.stack(images), np.array(sizes)
    found = estimator.predict(stack, pixel, symmetries)
    return Predictions(tuple(str(path) for path in paths), pixel, found, images=stack)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Predictions for several batches as one."""
    names = [item.name for item in fields(Prediction) if isinstance(getattr(parts[0], item.name), np.ndarray)]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **arrays)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value

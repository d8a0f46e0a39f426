"""`report` of autoencoders of patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stochgeom.errors import UserError

from .saved_models import analysed


def report_patches(
    models: list[Path],
    source: Path,
    out: Path,
    limit: int | None,
    fit_on: Path | None,
    calibrations: Sequence[Path],
    groups: int | None,
    fold: int | None,
    pixel_size_nm: float | None,
) -> None:
    """Report on autoencoders of patches: one HTML page, metrics.json, latent numbers and pictures."""
    from learn.patch_analysis.report import write_patch_report
    from learn.report_page import check_writable

    if limit is not None and limit < 1:
        raise UserError(f"--limit = {limit}: accepted: 1 or more micrographs")
    if fold is not None and fold < 1:
        raise UserError(f"--fold = {fold}: accepted: 1 or more")
    samples = None if limit is None else _first_samples(source, limit)
    check_writable(out)
    analyses = [
        analysed(
            model, source, pixel_size_nm, samples, fit_on, calibrations, groups=groups, fold=fold,
            baselines=k == 0,
        )
        for k, model in enumerate(models)
    ]  # fmt: skip
    print(f"report: {write_patch_report(analyses, out)}")


def _first_samples(source: Path, limit: int) -> list[int]:
    from simulate.corpus.layout import store_path
    from simulate.corpus.reader import Corpus

    if not store_path(source).exists():
        raise UserError(f"--limit: {source} is no corpus; accepted: a corpus of scenes, or no limit")
    return [int(k) for k in Corpus.open(source).indices()[:limit]]

"""The search: a representation for each trial, groups of it, their reward, their score against the truth."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learn.clustering.scores import score_labels
from learn.micrographs import Micrograph, PatchSet
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.patch_truth import patch_truth
from learn.micrographs.windows import cut_patches
from learn.patch_analysis.latent_groups import latent_features, patch_components
from stochgeom.errors import UserError
from stochgeom.files import write_text

from .reward import reward
from .rows import Row, read_rows
from .settings import SearchSettings, Trial

ROWS = "rows.jsonl"
SCORES = ("ari_phase", "ari_region", "ari_kind", "wall_f1")
Say = Callable[[str], None]


def run_search(
    micrographs: Sequence[Micrograph],
    settings: SearchSettings | None = None,
    out: str | Path | None = None,
    tell: Say | None = None,
    resume: bool = True,
) -> list[Row]:
    """A row for every combination, in the order of the settings.

    With `out`, rows are appended to rows.jsonl there as trials finish; a search that was stopped goes on with
    the next trial. UserError if the folder holds the rows of another search.
    """
    settings = settings or SearchSettings()
    sets = same_centres(micrographs, settings)
    plain = settings.model_dump(mode="json", exclude={"threads"})
    identity = {"settings": plain, "images": _digest(micrographs)}
    path = None if out is None else Path(out) / ROWS
    rows = [] if path is None else _begun(path, identity, resume)
    done = {(row.window_nm, row.latent_size, row.invariances) for row in rows}
    for number, trial in enumerate(settings.trials, 1):
        if tuple(trial) in done:
            continue
        found = tried(sets[trial.window_nm], trial, settings)
        rows += found
        if path is not None:
            _append(path, found)
        if tell is not None:
            best = max(found, key=lambda row: row.reward)
            tell(
                f"{number}/{len(settings.trials)}: window {trial.window_nm:g} nm, {trial.latent_size} "
                f"latent, {trial.invariances}: best reward {best.reward:.3f} with {best.clusters} clusters"
            )
    order = {tuple(trial): k for k, trial in enumerate(settings.trials)}
    return sorted(rows, key=lambda row: order[(row.window_nm, row.latent_size, row.invariances)])


def same_centres(micrographs: Sequence[Micrograph], settings: SearchSettings) -> dict[float, PatchSet]:
    """Patches by window, all about the centres that hold the largest window: the same places compare."""
    largest = settings.cutting.model_copy(update={"window_nm": max(settings.windows_nm)}).cut(micrographs)
    centres = [largest.centres_px[largest.source == k] for k in range(len(micrographs))]
    found = {}
    for window in settings.windows_nm:
        side = settings.cutting.model_copy(update={"window_nm": window}).window_px(largest.pixel_size_nm)
        found[window] = cut_patches(list(micrographs), centres, side, settings.cutting.normalise)
    return found


def tried(patch_set: PatchSet, trial: Trial, settings: SearchSettings) -> list[Row]:
    """Rows of one representation: every kind of features, every number of clusters."""
    started = time.perf_counter()
    features, about = represented(patch_set, trial, settings)
    seconds = time.perf_counter() - started
    known = any(one.truth is not None for one in patch_set.micrographs)
    truth, graph = patch_truth(patch_set), neighbour_graph(patch_set)
    rows = []
    for name, values in features.items():
        for clusters in settings.clusters:
            found = reward(values, clusters, settings.criterion, settings.covariance, settings.seed)
            scores: dict[str, float] = {}
            if known:
                every = score_labels(found.groups.labels, patch_set, truth=truth, graph=graph)
                scores = {key: every[key] for key in SCORES if np.isfinite(every[key])}
            rows.append(
                Row(
                    window_nm=trial.window_nm,
                    latent_size=trial.latent_size,
                    invariances=trial.invariances,
                    features=name,
                    clusters=clusters,
                    patches=len(patch_set),
                    reward=found.value,
                    icl_per_patch=found.groups.icl_per_patch,
                    bic_per_patch=found.groups.bic_per_patch,
                    seconds=round(seconds, 2),
                    scores=scores,
                    **about,
                )
            )
    return rows


def represented(
    patch_set: PatchSet, trial: Trial, settings: SearchSettings
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Features of all patches by name, and the share of their scatter that the representation leaves."""
    if settings.embedding == "pca":
        components = patch_components(patch_set.patches, trial.latent_size, settings.seed)
        total = float(((patch_set.patches - patch_set.patches.mean(axis=0)).astype(np.float64) ** 2).sum())
        left = 1 - float((components**2).sum()) / max(total, 1e-30)
        return {"latents": components}, {"unexplained": left}
    from learn.patch_vae import PatchVAEConfig, train_patch_vae

    rows = np.random.default_rng(settings.seed).permutation(len(patch_set))[: settings.training_patches]
    order = settings.symmetry_order if "rotation" in trial.poses else 1
    config = PatchVAEConfig(
        latent_size=trial.latent_size,
        invariances=trial.poses,  # type: ignore[arg-type]
        symmetry_order=order,
        epochs=settings.epochs,
        width=settings.width,
        batch_size=settings.batch_size,
        seed=settings.seed,
        threads=settings.threads,
    )
    vae = train_patch_vae(patch_set.part(np.sort(rows)), None, config)
    made = vae.reconstruct(patch_set.patches)
    scatter = float(((patch_set.patches - patch_set.patches.mean(axis=0)).astype(np.float64) ** 2).sum())
    left = float(((patch_set.patches - made).astype(np.float64) ** 2).sum()) / max(scatter, 1e-30)
    found = latent_features(vae.encode(patch_set.patches), settings.fold)
    chosen: dict[str, np.ndarray] = {name: one for name, one in found.items() if name in settings.features}
    return chosen or {"latents": found["latents"]}, {"unexplained": left}


def _digest(micrographs: Sequence[Micrograph]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for one in micrographs:
        found.update(np.ascontiguousarray(one.image).tobytes())
    return found.hexdigest()


def _begun(path: Path, identity: dict[str, Any], resume: bool) -> list[Row]:
    """Rows of an earlier run of the same search; where there is none, a file that says what it is of."""
    text = json.dumps(identity, sort_keys=True)
    if resume and path.exists():
        first, rows = read_rows(path)
        if first != json.loads(text):
            raise UserError(
                f"{path} holds the rows of another search; choose another folder, or --overwrite it"
            )
        write_text(path, "".join(line + "\n" for line in (text, *(row.model_dump_json() for row in rows))))
        return rows
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    return []


def _append(path: Path, rows: Sequence[Row]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(row.model_dump_json() + "\n" for row in rows))

"""Does a physical bias find walls better? Clusters of latent numbers with and without it, against the truth.

    heterostem generate benchmarks/maps/scenes/film.toml --out corpora/bias-film --workers 2
    python benchmarks/maps/physical_bias.py --scenes corpora/bias-film --electrons 100 --out runs/bias-film

Patches are cut around atomic columns of noisy micrographs; an autoencoder is trained on each micrograph (or
one on some together), and its map read from the same, without any truth. A mixture of Gaussians with full
covariances reads clusters from pixels, principal components and latent numbers alike, as many as there are
regions and up to two more, for windows that straddle a border look like neither side. Weights of the
biases, and for every method how many clusters more, are chosen on some samples of a corpus; all methods are
scored on others, over the seeds. Each finished run is lines of OUT/rows.jsonl, so that the next call goes
on where this one ended; OUT/table.md and OUT/physical-bias.png sum up what is there (--sum-up: only that).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from physical_bias_tables import draw, draw_clusters, table
from sklearn.decomposition import PCA

from learn.clustering import ClusteringSettings, cluster
from learn.clustering.descriptors import Descriptors
from learn.clustering.scores import adjusted_rand, score_labels
from learn.micrographs.columns import find_columns
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.neighbours import NeighbourGraph, neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import PatchTruth, patch_truth
from learn.micrographs.reading import corpus_micrographs
from learn.micrographs.windows import cut_patches
from learn.patch_vae import PatchVAEConfig, train_patch_vae
from learn.patch_vae.bias import BiasSettings, physical_bias
from simulate.corpus.scene_truth import NO_REGION

WEIGHTS = {
    "tv": (30.0, 100.0, 300.0),
    "modica-mortola": (30.0, 100.0, 300.0),
    "elbo-factor": (1.0, 10.0),
}
MODELS = {"VAE": (), "rVAE": ("rotation",)}
FIRST_TUNED_SEED = 100
LATENTS = 4
MORE = (0, 1, 2)
"""Clusters beyond the number of regions."""
KEYS = ("part", "samples", "method", "weight", "seed")
"""Of a run; the rest of its row is what came out."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Patches of a micrograph, or some, and what is true of them. `regions`: how many clusters are asked for;
    `turns`: angles count modulo 360 / turns; `grains`: regions differ in nothing but rotation.
    """

    samples: str
    patches: PatchSet
    graph: NeighbourGraph
    truth: PatchTruth
    regions: int
    tolerance_nm: float
    turns: int
    model_turns: int
    grains: bool


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    rows_file = options.out / "rows.jsonl"
    done = [json.loads(line) for line in rows_file.read_text().splitlines()] if rows_file.exists() else []
    tuned = options.tuned_in / "rows.jsonl" if options.tuned_in else None
    if tuned is not None:
        done += [
            row for line in tuned.read_text().splitlines() if (row := json.loads(line))["part"] == "tune"
        ]
    if not options.sum_up:
        for part in ("tune", "score") if tuned is None else ("score",):
            for case, row in missing(options, part, done):
                start = time.perf_counter()
                values = values_of(row, case, options)
                found = [row | {"more": more} | scores(values, case, more, row["seed"]) for more in MORE]
                done += found
                with rows_file.open("a") as lines:
                    lines.writelines(json.dumps(one) + "\n" for one in found)
                print(
                    f"{part} {case.samples} {row['method']} {row['weight']:g} seed {row['seed']}: F1",
                    ", ".join(f"{one['f1']:.3f}" for one in found),
                    f"({time.perf_counter() - start:.0f} s)",
                    flush=True,
                )
    (options.out / "table.md").write_text(table(done, chosen(done)))
    draw(done, chosen(done), options.out / "physical-bias.png")
    print(table(done, chosen(done)))
    if options.maps:
        draw_maps(options, chosen(done), options.out / "maps.png")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scenes",
        required=True,
        help="folder of a corpus of scenes, or drawn-film, drawn-composite",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--tune",
        type=int,
        nargs="+",
        default=[0, 1],
        help="samples the weights are chosen on",
    )
    parser.add_argument("--score", type=int, nargs="+", default=[2, 3, 4, 5], help="samples that are scored")
    parser.add_argument(
        "--electrons",
        type=float,
        default=5.0,
        help="per pixel of the scan, of the beam; per pixel of value 1 of drawn ones",
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tuning-seeds", type=int, default=1, help="that weights are chosen with")
    parser.add_argument("--decoder", default="spatial", choices=["dense", "spatial"])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--window-nm", type=float, default=0.8)
    parser.add_argument("--pixel-nm", type=float, default=0.04, help="pixels are binned up to it")
    parser.add_argument(
        "--together", action="store_true", help="one model, and one mixture, for all samples of a part"
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--biases", nargs="*", default=list(WEIGHTS), choices=list(WEIGHTS))
    parser.add_argument("--tuned-in", type=Path, help="take the weights chosen in another --out")
    parser.add_argument("--sum-up", action="store_true", help="only the table and the picture")
    parser.add_argument("--maps", action="store_true", help="train seed 0 again, and draw its clusters")
    return parser.parse_args()


def cases_of(options: argparse.Namespace, part: str) -> list[Case]:
    """The micrographs of a part, each on its own unless they are to be taken together."""
    samples = getattr(options, part)
    groups = [samples] if options.together else [[sample] for sample in samples]
    cases = [case_of(options, group) for group in groups]
    for case in cases:
        print(f"{part} {case.samples}: {len(case.patches)} patches, {case.regions} regions", flush=True)
    return cases


def case_of(options: argparse.Namespace, samples: list[int]) -> Case:
    """Micrographs with noise, binned; windows around the columns that are the brightest nearby."""
    micrographs = [binned(noisy(options, sample), options.pixel_nm) for sample in samples]
    graphene, composite = "graphene" in options.scenes, "composite" in options.scenes
    nearby = None if graphene else 0.33 if composite else 0.3
    centres = [find_columns(one, brightest_within_nm=nearby) for one in micrographs]
    window = round(options.window_nm / micrographs[0].pixel_size_nm)
    patches = cut_patches(micrographs, centres, window)
    truth, graph = patch_truth(patches), neighbour_graph(patches)
    if composite:  # its pillars are of one phase and alike
        truth = dataclasses.replace(truth, domain=np.zeros_like(truth.domain))
    regions = len(np.unique(truth.region[truth.region >= 0]))
    turns, model_turns = (6, 3) if graphene else (1, 1)
    spacing = 0.246 if graphene else 0.4
    name = "+".join(str(sample) for sample in samples)
    return Case(name, patches, graph, truth, regions, spacing, turns, model_turns, graphene)


def noisy(options: argparse.Namespace, sample: int) -> Micrograph:
    """A micrograph with counted electrons."""
    if options.scenes.startswith("drawn-"):
        kind: Any = options.scenes.removeprefix("drawn-")
        return draw_micrograph(kind, 512, seed=sample, noise=options.electrons)
    one = corpus_micrographs(options.scenes, [sample], "clean")[0]
    rng = np.random.default_rng([sample, 17])
    counted = rng.poisson(one.image[:1].clip(0) * options.electrons) / options.electrons
    return dataclasses.replace(one, image=counted.astype(np.float32))


def binned(one: Micrograph, pixel_nm: float) -> Micrograph:
    """Pixels of about `pixel_nm`, means of squares of the micrograph's own."""
    f = max(1, round(pixel_nm / one.pixel_size_nm))
    ny, nx = (side - side % (2 * f) for side in one.shape)  # the same middle
    top, left = (one.shape[0] - ny) // 2, (one.shape[1] - nx) // 2
    cut = (slice(top, top + ny), slice(left, left + nx))
    image = one.image[:, cut[0], cut[1]].reshape(-1, ny // f, f, nx // f, f).mean(axis=(2, 4))
    assert one.truth is not None
    maps = {name: getattr(one.truth, name)[cut][f // 2 :: f, f // 2 :: f] for name in ("phase", "domain")}
    return Micrograph(image, f * one.pixel_size_nm, one.name, dataclasses.replace(one.truth, **maps))


def missing(
    options: argparse.Namespace, part: str, done: list[dict[str, Any]]
) -> Iterator[tuple[Case, dict[str, Any]]]:
    """The runs of a part that are not there yet, seed by seed."""
    cases = cases_of(options, part)
    had = {tuple(row[key] for key in KEYS) for row in done}
    first, count = (0, options.seeds) if part == "score" else (FIRST_TUNED_SEED, options.tuning_seeds)
    for seed in range(first, first + count):
        for method, weight in runs(options, part, done):
            for case in cases:
                run = (part, case.samples, method, weight, seed)
                if run not in had:
                    yield case, dict(zip(KEYS, run, strict=True))


def runs(options: argparse.Namespace, part: str, done: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Method and weight: all weights on the scenes for tuning, the best on those that are scored."""
    best = chosen(done)
    found = [("GMM", 0.0), ("PCA + GMM", 0.0)]
    for model in options.models:
        found.append((model, 0.0))
        for bias in options.biases:
            weights = WEIGHTS[bias]
            method = f"{model} {bias}"
            found += [(method, weight) for weight in (weights if part == "tune" else [best[method][0]])]
    return found


def chosen(done: list[dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """The weight of each method, and how many clusters more, with the largest sum of wall F1 and agreement on
    the scenes for tuning.
    """
    sums: dict[str, dict[tuple[float, int], list[float]]] = {}
    for row in done:
        if row["part"] == "tune":
            asked = (row["weight"], row["more"])
            sums.setdefault(row["method"], {}).setdefault(asked, []).append(row["f1"] + row["ari_region"])
    return {m: max(by, key=lambda asked: float(np.mean(by[asked]))) for m, by in sums.items()}


def draw_maps(options: argparse.Namespace, best: dict[str, tuple[float, int]], path: Path) -> None:
    """The first scored micrograph, its true regions, and the clusters of each model without and with tv."""
    case = cases_of(options, "score")[0]
    panels = [("true regions", np.unique(case.truth.region, return_inverse=True)[1])]
    for model in options.models:
        for method in (model, f"{model} tv"):
            weight, more = best[method]
            row = {"method": method, "weight": weight, "seed": 0}
            values = values_of(row, case, options)
            panels.append((method, clusters(values, case, case.regions + more, 0)))
    draw_clusters(case.patches, panels, path)


def values_of(row: dict[str, Any], case: Case, options: argparse.Namespace) -> np.ndarray:
    """What a method describes each patch by (n, d)."""
    pixels = case.patches.patches.reshape(len(case.patches), -1).astype(np.float64)
    if row["method"] == "GMM":
        return pixels
    if row["method"] == "PCA + GMM":
        return PCA(LATENTS, random_state=row["seed"]).fit_transform(pixels)
    return latent_numbers(row, case, options)


def latent_numbers(row: dict[str, Any], case: Case, options: argparse.Namespace) -> np.ndarray:
    """Latent means (n, l), each over its standard deviation; cos and sin of the angle where there is one, and
    nothing else where it alone tells the regions apart.
    """
    model, _, bias = row["method"].partition(" ")
    config = PatchVAEConfig(
        latent_size=LATENTS,
        invariances=MODELS[model],
        symmetry_order=case.model_turns if MODELS[model] else 1,
        epochs=options.epochs,
        seed=row["seed"],
        decoder=options.decoder,
        width=64,
        layers=1,
        batch_size=64,
        device="cpu",
        threads=1,
    )
    penalty = None
    if bias:
        settings = BiasSettings(
            bias=bias,
            weight=row["weight"],
            scale="each",
            wells=case.regions,
            angle_weight=1.0,
        )
        penalty = physical_bias(case.patches, settings, case.graph, case.turns)
    found = train_patch_vae(case.patches, config=config, penalty=penalty).encode(case.patches.patches)
    numbers = (found.mean - found.mean.mean(axis=0)) / found.mean.std(axis=0).clip(1e-9)
    if found.angle_degrees is None:
        return numbers
    angle = np.deg2rad(case.turns * found.angle_degrees)
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    return direction if case.grains else np.column_stack([numbers, direction])


def clusters(values: np.ndarray, case: Case, count: int, seed: int) -> np.ndarray:
    """Labels (n,) by the same mixture for all methods; from one start where pixels make each one long."""
    restarts = 10 if values.shape[1] < 100 else 1
    asked = ClusteringSettings(clusters=count, restarts=restarts, regularisation=1e-4, seed=seed)
    return cluster(case.patches, asked, Descriptors(values)).labels


def scores(values: np.ndarray, case: Case, more: int, seed: int) -> dict[str, Any]:
    """Agreement, walls, and the lengths: found, true, and of the borders between patches of unlike regions,
    which zigzag as found ones do. For the agreement of phases each cluster is named after the phase of most
    of its patches, as one would who looks at the map.
    """
    labels = clusters(values, case, case.regions + more, seed)
    found = score_labels(labels, case.patches, case.tolerance_nm, case.truth, case.graph)
    names = {"ari_domain": "ari_domain", "ari_region": "ari_region", "f1": "wall_f1"}
    names |= {"precision": "wall_precision", "recall": "wall_recall"}
    names |= {"found_nm": "wall_found_length_nm", "true_nm": "wall_true_length_nm"}
    row: dict[str, Any] = {name: round(float(found[key]), 4) for name, key in names.items()}
    row["ari_phase"] = round(adjusted_rand(named(labels, case.truth.phase), case.truth.phase), 4)
    row = {name: value if np.isfinite(value) else None for name, value in row.items()}
    return {**row, "borders_nm": round(case.graph.wall_length_nm(case.truth.region), 3)}


def named(labels: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """The phase (n,) of most patches of each one's cluster."""
    names = np.zeros(len(labels), dtype=int)
    for label in np.unique(labels):
        mine = phase[labels == label]
        names[labels == label] = np.bincount(mine[mine != NO_REGION], minlength=1).argmax()
    return names


if __name__ == "__main__":
    main()

"""Autoencoders of patches beside pyroVED's and AtomAI's: same patches, epochs, batches, layers; one thread.

    python benchmarks/patch_vae.py --pyroved PYTHON --atomai PYTHON

Each PYTHON is that of a virtual environment where the package is installed; it runs in a process of its own
(`patch_vae_others.py`). Patches are cut about the atomic columns of a micrograph, each turned by an angle of
its own and moved, so that angles and classes are known. Seconds are those of the processor, not of the clock,
so that they mean the same on a busy machine. Angles count modulo the symmetry of the lattice, after one
offset, fitted on half of the patches that are scored on the other half.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from learn.clustering.scores import adjusted_rand
from learn.micrographs import Micrograph, PatchSet
from learn.micrographs.drawn import draw_micrograph
from learn.patch_vae import PatchVAEConfig, train_patch_vae

WIDTH, LAYERS, LATENT = 128, 2, 2
ORDERS = {"film": 4, "graphene": 6, "composite": 4}
"""Of the lattices in projection, the sublattices of graphene taken for one."""
OTHERS = Path(__file__).with_name("patch_vae_others.py")


def micrograph_of(source: str, seed: int) -> Micrograph:
    """A drawn one, or the first of a corpus of scenes."""
    if source in ORDERS:
        # Graphene is drawn finer, and larger, for its columns lie nearer to each other.
        return draw_micrograph(source, size_px=400, pixel_size_nm=0.015, seed=seed)  # type: ignore[arg-type]
    from learn.micrographs.reading import corpus_micrographs
    from simulate.corpus.reader import Corpus

    return corpus_micrographs(Corpus.open(source), [0])[0]


def turned_patches(
    micrograph: Micrograph, window: int, count: int, shift_px: float, seed: int
) -> dict[str, np.ndarray]:
    """patches (n, 1, h, w) about columns, turned by `angle` (n,) degrees from x to y and moved by shifts;
    `rotation` (n,) degrees of the lattice in them, `kind` (n,) of the column.
    """
    rng = np.random.default_rng(seed)
    truth = micrograph.truth
    assert truth is not None
    centres = micrograph.pixels_of(truth.positions_nm)
    margin = window * 0.75 + 4 * shift_px
    inside = ((centres > margin) & (centres < np.array(micrograph.shape) - margin)).all(axis=1)
    rows = rng.permutation(np.flatnonzero(inside))[:count]
    angle = rng.uniform(0, 360, len(rows))
    shift = shift_px * rng.standard_normal((len(rows), 2))
    side = np.arange(window) - (window - 1) / 2
    y, x = np.meshgrid(side, side, indexing="ij")
    patches = np.empty((len(rows), 1, window, window), np.float32)
    for place, (row, a, s) in enumerate(zip(rows, np.radians(angle), shift, strict=True)):
        v, u = y - s[0], x - s[1]
        at = [
            centres[row, 0] - np.sin(a) * u + np.cos(a) * v,
            centres[row, 1] + np.cos(a) * u + np.sin(a) * v,
        ]
        patches[place, 0] = ndimage.map_coordinates(micrograph.image[0], at, order=3, mode="reflect")
    low, high = np.quantile(patches, [0.0005, 0.9995])
    patches = np.clip((patches - low) / (high - low), 0, 1).astype(np.float32)
    rotation = truth.column("rotation_degrees")[rows] + angle
    return {"patches": patches, "rotation": rotation, "kind": truth.column("kind")[rows]}


def own(data: dict[str, np.ndarray], options: argparse.Namespace, **changes: Any) -> dict[str, Any]:
    """Train and encode with this project's."""
    patches = data["patches"]
    n = len(patches)
    places = np.zeros((n, 2))
    patch_set = PatchSet(patches, places, np.zeros(n, np.int64), (Micrograph(patches[0], 0.02),))
    freedoms = ("rotation", "translation") if options.shift_px else ("rotation",)
    config = PatchVAEConfig(
        epochs=options.epochs,
        batch_size=options.batch,
        latent_size=LATENT,
        width=WIDTH,
        layers=LAYERS,
        invariances=freedoms,
        shift_prior_px=max(options.shift_px, 0.5),
        seed=options.seed,
        device="cpu",
        threads=1,
        **changes,
    )
    started = time.process_time()
    vae = train_patch_vae(patch_set, config=config)
    seconds = (time.process_time() - started) / options.epochs
    found = vae.encode(patches)
    return {
        "seconds": seconds,
        "latents": found.mean,
        "angle": found.angle_degrees,
        "made": vae.reconstruct(patches),
    }


def other(
    python: str, package: str, data: dict[str, np.ndarray], options: argparse.Namespace
) -> dict[str, Any]:
    """The same with another package, in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "patches.npz", patches=data["patches"])
        asked = {
            "epochs": options.epochs,
            "batch": options.batch,
            "latent": LATENT,
            "width": WIDTH,
            "layers": LAYERS,
            "shift_px": options.shift_px,
            "seed": options.seed,
        }
        command = [python, str(OTHERS), package, folder, json.dumps(asked)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            sys.exit(f"{package}: {' '.join(last)}")
        with np.load(Path(folder) / "found.npz") as file:
            return {name: file[name] for name in file.files}


def score(found: dict[str, Any], data: dict[str, np.ndarray], order: int, seed: int) -> dict[str, float]:
    """Error of the reconstruction, of the angle in degrees, agreement of clusters with kinds of columns."""
    patches = data["patches"]
    kinds = len(np.unique(data["kind"]))
    mixture = GaussianMixture(kinds, n_init=5, random_state=seed)
    z = np.asarray(found["latents"], np.float64)
    labels = mixture.fit_predict((z - z.mean(axis=0)) / (z.std(axis=0) + 1e-12))
    errors = []
    for sign in (1, -1):  # packages count angles in either sense
        off = np.radians(order * (sign * np.asarray(found["angle"], np.float64) - data["rotation"]))
        middle = np.angle(np.exp(1j * off[::2]).mean())
        errors.append(np.degrees(np.abs(np.angle(np.exp(1j * (off[1::2] - middle))))) / order)
    angle = min(errors, key=np.median)
    return {
        "rmse": float(np.sqrt(np.square(found["made"] - patches).mean())),
        "angle_median": float(np.median(angle)),
        "angle_90": float(np.quantile(angle, 0.9)),
        "ari": adjusted_rand(labels, data["kind"]),
        "seconds": float(found["seconds"]),
    }


def main() -> None:
    """Run all, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", default="graphene", help="film, graphene, composite, or a corpus of scenes"
    )
    parser.add_argument("--order", type=int, help="symmetry of the lattice in projection")
    parser.add_argument("--pyroved", help="Python of an environment with pyroved")
    parser.add_argument("--atomai", help="Python of an environment with atomai")
    parser.add_argument("--patches", type=int, default=400)
    parser.add_argument("--window", type=int, default=28)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--shift-px", type=float, default=1.0, help="0: rotation only")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    order = options.order or ORDERS.get(options.source, 4)
    micrograph = micrograph_of(options.source, options.seed)
    data = turned_patches(micrograph, options.window, options.patches, options.shift_px, options.seed)
    share = np.mean(data["kind"] == np.bincount(data["kind"].astype(int)).argmax())
    print(f"{micrograph.name}: {len(data['kind'])} patches, {share:.0%} of the commonest kind, order {order}")
    runs = {
        "heterostem, spatial decoder": lambda: own(data, options, decoder="spatial"),
        "heterostem, spatial, modulo the symmetry": lambda: own(data, options, symmetry_order=order),
        "heterostem, dense decoder": lambda: own(data, options, decoder="dense"),
    }
    for package in ("pyroved", "atomai"):
        python = getattr(options, package)
        if python:
            runs[package] = lambda python=python, package=package: other(python, package, data, options)
    print("model, RMSE, angle error median and 90 % (degrees), ARI of kinds, s per epoch")
    for name, run in runs.items():
        s = score(run(), data, order, options.seed)
        print(
            f"{name}: {s['rmse']:.4f}, {s['angle_median']:.2f}, {s['angle_90']:.2f}, "
            f"{s['ari']:.2f}, {s['seconds']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

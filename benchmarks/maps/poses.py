"""How well do invariant autoencoders of patches find turns, shifts and scales? Every combination, both ways.

    python benchmarks/maps/poses.py --patches 600 --epochs 60 --out runs/poses

Patches show one of two marks of Gaussian spots without symmetry under noise, turned by any angle, moved by
1.5 pixels along either axis and scaled by 10 % (standard deviations, as the prior has it): whatever a model
is invariant to, and nothing else. The models see patches alone. Their zero is where they chose it: offsets
of angle, shift (in the mark's own frame where there is an angle) and logarithm of the scale are fitted on
half of the patches, errors are of the other half, beside the spread of what was drawn, which is the error
of no knowledge. OUT/poses.json keeps the table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from learn.micrographs import Micrograph, PatchSet
from learn.patch_vae import PatchVAEConfig, train_patch_vae
from learn.patch_vae.config import INVARIANCES
from learn.patch_vae.model import Encoding

WINDOW, SPOT_PX, NOISE = 28, 1.8, 0.1
SHIFT_PX, LOG_SCALE = 1.5, 0.1
MARKS = np.array(
    [
        [[0.0, 0.0], [4.0, 0.0], [7.0, 0.0], [0.0, 5.0], [-4.0, -1.0]],
        [[0.0, 0.0], [4.0, 0.0], [7.0, 0.0], [0.0, 5.0], [-3.0, -5.0]],
    ]
)
"""x, y of spots in pixels from the middle."""


def draw(invariances: tuple[str, ...], count: int, seed: int) -> dict[str, np.ndarray]:
    """patches (n, 1, h, w); angle (n,) in radians, shift (n, 2) in pixels as y, x; log_scale, mark (n,)."""
    rng = np.random.default_rng(seed)
    mark = rng.integers(0, 2, count)
    angle = rng.uniform(-np.pi, np.pi, count) * ("rotation" in invariances)
    shift = SHIFT_PX * rng.standard_normal((count, 2)) * ("translation" in invariances)
    log_scale = LOG_SCALE * rng.standard_normal(count) * ("scale" in invariances)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)  # x towards y
    factor = np.exp(log_scale)
    places = factor[:, None, None] * (MARKS[mark] @ turn.transpose(0, 2, 1)) + shift[:, None, ::-1]
    side = np.arange(WINDOW) - (WINDOW - 1) / 2
    square = np.square(side - places[..., None])  # n, spots, (x, y), pixels
    wide = 2 * np.square(SPOT_PX * factor)[:, None, None]
    x, y = np.exp(-square[:, :, 0] / wide), np.exp(-square[:, :, 1] / wide)
    images = np.einsum("nsy,nsx->nyx", y, x) + NOISE * rng.standard_normal((count, WINDOW, WINDOW))
    patches = images[:, None].astype(np.float32)
    return {"patches": patches, "angle": angle, "shift": shift, "log_scale": log_scale, "mark": mark}


def errors(found: Encoding, data: dict[str, np.ndarray]) -> dict[str, float]:
    """Medians of absolute errors, by what they are of, and shares far off, on half of each mark's patches."""
    each: dict[str, list[np.ndarray]] = {}
    for mark in (0, 1):
        mine = np.flatnonzero(data["mark"] == mark)
        for name, off in _errors_of_mark(found, data, mine[::2], mine[1::2]).items():
            each.setdefault(name, []).append(off)
    pooled = {name: np.concatenate(parts) for name, parts in each.items()}
    scores = {name: float(np.median(off)) for name, off in pooled.items()}
    if "angle_degrees" in pooled:
        scores["beyond_15_degrees"] = float(np.mean(pooled["angle_degrees"] > 15))
    one, other = (found.mean[data["mark"] == k] for k in (0, 1))
    along = found.mean @ (one.mean(axis=0) - other.mean(axis=0))
    one, other = (along[data["mark"] == k] for k in (0, 1))
    between = abs(one.mean() - other.mean())
    scores["marks_apart_sd"] = float(between / np.sqrt((one.var() + other.var()) / 2))
    return scores


def _errors_of_mark(
    found: Encoding, data: dict[str, np.ndarray], fit: np.ndarray, test: np.ndarray
) -> dict[str, np.ndarray]:
    """Absolute errors of the patches `test`, zeros fitted on those `fit`, both of one mark."""
    errors: dict[str, np.ndarray] = {}
    frame = np.zeros(len(data["angle"]))  # by how much the model's frame is turned from the window's
    if found.angle_degrees is not None:
        frame = np.radians(found.angle_degrees)
        off = frame - data["angle"]
        zeros = np.radians(np.arange(0, 360, 0.25))
        wrapped = abs(np.angle(np.exp(1j * (off[fit, None] - zeros))))
        zero = zeros[wrapped.mean(axis=0).argmin()]  # the circular median: no mean that a few far off draw
        errors["angle_degrees"] = np.degrees(abs(np.angle(np.exp(1j * (off[test] - zero)))))
    if found.scale is not None:
        off = np.log(found.scale) - data["log_scale"]
        errors["scale_percent"] = 100 * abs(off[test] - np.median(off[fit]))
    if found.shift_px is not None:
        back = np.exp(-1j * frame) / (1.0 if found.scale is None else found.scale)
        moved = ((found.shift_px - data["shift"]) @ np.array([1j, 1.0])) * back  # x + i y, in its frame
        errors["shift_px"] = abs(moved[test] - np.median(moved[fit].real) - 1j * np.median(moved[fit].imag))
    return errors


def run(invariances: tuple[str, ...], decoder: str, options: argparse.Namespace) -> dict[str, float]:
    """Train one, and score it."""
    data = draw(invariances, options.patches, options.seed)
    n = options.patches
    patch_set = PatchSet(
        data["patches"], np.zeros((n, 2)), np.zeros(n, np.int64), (Micrograph(data["patches"][0], 0.02),)
    )
    config = PatchVAEConfig(
        invariances=invariances,
        decoder=decoder,
        epochs=options.epochs,
        batch_size=options.batch,
        width=96,
        layers=2,
        shift_prior_px=SHIFT_PX,
        scale_prior=LOG_SCALE,
        pose_first=options.pose_first,
        seed=options.seed,
        device="cpu",
        threads=1,
    )
    start = time.process_time()
    vae = train_patch_vae(patch_set, config=config)
    seconds = (time.process_time() - start) / options.epochs
    return errors(vae.encode(data["patches"]), data) | {"s_per_epoch": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--pose-first", type=float, default=0.15, help="0: latent numbers do not wait")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decoders", nargs="+", default=["dense", "spatial"])
    parser.add_argument("--only", nargs="*", default=[], help="combinations with these invariances")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = (
        "angle_degrees",
        "beyond_15_degrees",
        "shift_px",
        "scale_percent",
        "marks_apart_sd",
        "s_per_epoch",
    )
    print("| invariant to | decoder | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    blank = draw(INVARIANCES, 20_000, options.seed)
    chance = {
        "angle_degrees": 90.0,
        "shift_px": float(np.median(np.hypot(*blank["shift"].T))),
        "scale_percent": 100 * float(np.median(abs(blank["log_scale"]))),
    }
    rows = [{"invariances": "no knowledge", "decoder": "", **chance}]
    _show(rows[-1], names)
    for count in range(len(INVARIANCES) + 1):
        for invariances in itertools.combinations(INVARIANCES, count):
            for decoder in options.decoders if set(options.only) <= set(invariances) else ():
                scores = run(invariances, decoder, options)
                rows.append(
                    {"invariances": ", ".join(invariances) or "nothing", "decoder": decoder, **scores}
                )
                _show(rows[-1], names)
                (options.out / "poses.json").write_text(json.dumps(rows, indent=1))


def _show(row: dict[str, object], names: tuple[str, ...]) -> None:
    cells = [f"{row[name]:.2f}" if name in row else "" for name in names]
    print(f"| {row['invariances']} | {row['decoder']} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

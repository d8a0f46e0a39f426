"""The loss `statistics_distance` and the statistics behind it: milliseconds per image, forward and backward.

python benchmarks/spatial_statistics.py [--images 32] [--side 224] [--threads 1 2] [--seconds S]

Batches of random float32 images, the gradient in one of the two; medians over repetitions, wall time and, in
brackets, processor time of all threads, which others on the machine disturb less. Beside it the loss by its
definition, image by image in complex128, and how far the two gradients are apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

# A thread that waits by turning round counts as processor time, and takes it from others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

import stochgeom.spatial_statistics as arrays
from learn.spatial_statistics import (
    autocorrelation,
    lineal_path,
    radial_mean,
    soft_indicator,
    statistics_distance,
    two_point,
)


def image_by_image(a: Tensor, b: Tensor) -> Tensor:
    """The mean distance by its definition, in complex128."""
    total = torch.zeros((), dtype=torch.float64)
    for x, y in zip(a, b, strict=True):
        f = [
            torch.fft.ifft2(torch.fft.fft2(m.to(torch.complex128)).abs().square() / m.numel()).real
            for m in (x, y)
        ]
        total = total + (f[0] - f[1]).square().mean()
    return total / len(a)


def gradient(loss: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Forward and backward."""
    x = image.clone().requires_grad_()
    loss(x).backward()
    assert x.grad is not None
    return x.grad


def milliseconds(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Median wall and processor time of a call, the first not counted."""
    call()
    walls: list[float] = []
    works: list[float] = []
    while len(walls) < 3 or sum(walls) < seconds:
        wall, work = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
    return 1000 * statistics.median(walls), 1000 * statistics.median(works)


def shown(times: tuple[float, float], images: int) -> str:
    """Wall and processor time per image."""
    return f"{times[0] / images:9.3f} ({times[1] / images:6.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (options.images, options.side, options.side)
    image = torch.tensor(1 - 0.1 * rng.random(shape), dtype=torch.float32)
    target = torch.tensor(rng.random(shape) < 0.06).float()

    def by(way: str) -> Callable[[Tensor], Tensor]:
        return lambda x: statistics_distance(soft_indicator(x), target, by=way).mean()

    definition = lambda x: image_by_image(soft_indicator(x), target)  # noqa: E731
    cases: dict[str, Callable[[Tensor], Tensor]] = {
        "statistics_distance, by Parseval": by("parseval"),
        "statistics_distance, by f": by("f"),
        "by f, lags up to 32, not periodic": lambda x: statistics_distance(
            soft_indicator(x), target, by="f", cutoff=32, periodic=False
        ).mean(),
        "image by image, complex128": definition,
        "radial mean of S2": lambda x: radial_mean(autocorrelation(x))[1].sum(),
        "two_point of two phases": lambda x: two_point(torch.stack([x, 1 - x], dim=-3)).square().sum(),
        "lineal path up to 32": lambda x: lineal_path(x, cutoff=32)[1].sum(),
    }
    print(f"{options.images} images of {options.side} x {options.side}; ms per image, forward and backward")
    print(f"{'':36}" + "".join(f"{f'{n} thread(s)':>18}" for n in options.threads))
    for name, loss in cases.items():
        row = []
        for threads in options.threads:
            torch.set_num_threads(threads)
            row.append(milliseconds(lambda f=loss: gradient(f, image), options.seconds))
        print(f"{name:36}" + "".join(shown(times, options.images) for times in row), flush=True)
    exact = gradient(definition, image).double()
    for way in ("parseval", "f"):
        apart = float((gradient(by(way), image) - exact).norm() / exact.norm())
        print(f"gradient by {way} and by complex128: {apart:.1e} apart, relative")

    binary = target.numpy() > 0
    print("\nNumPy, one thread, ms per image (no gradient)")
    counts: dict[str, Callable[[], object]] = {
        "autocorrelation, float32": lambda: arrays.autocorrelation(target.numpy()),
        "autocorrelation, not periodic": lambda: arrays.autocorrelation(target.numpy(), periodic=False),
        "lineal path, all lengths": lambda: arrays.lineal_path(binary),
        "two-point cluster function": lambda: arrays.two_point_cluster(binary),
    }
    for name, call in counts.items():
        print(f"{name:36}{shown(milliseconds(call, options.seconds), options.images)}")


if __name__ == "__main__":
    main()

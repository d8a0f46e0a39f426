"""Multislice of many probes through one super-tile, each in its own windows, slices made once for all.

Slices are made a few at a time; each wave crosses these before the next are made, and is kept in between. A
wave is a raw transform: |wave|^2 adds up to n^2 times the share of the beam in space, to n^3 times halfway
and n^4 times in frequencies; so a wave is scaled when its window changes.

A step is: transmit in space, the signal kernels read on the way; transform; detect what is about to leave the
band; propagate; transform back. It is done in two passes (`simulate.windowed.passes`), between which, and in
front of a slice, the wave is halfway transformed. Each wave goes through several slices before the next wave
does, so that it stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.passes import (
    across_columns,
    across_rows,
    probe_columns,
    rows_to_frequencies,
    rows_to_space,
)
from simulate.windowed.plans import Plans
from simulate.windowed.slices import Slice, SliceMemory, TileSlices
from simulate.windowed.wave_grids import WaveGrid
from simulate.windowed.windows import Run

Ramp = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Real and imaginary part (n,) of free space along one axis."""


@dataclass(eq=False)
class Flight:
    """One probe on its way: centre (x, y) in grid points of the tile, its windows, and the signal so far.

    `wave`: complex64 in `memory`, in front of the slice `next_slice` of the run `run`, None before; halfway
    transformed the columns of the band (n, k) if `halfway`, else in space (n, n).
    `readings`: the signal (channel,) if the material ended after each of the slices `read_after`.
    """

    centre: NDArray[np.float64]
    runs: list[Run]
    signal: NDArray[np.float64]
    memory: NDArray[np.complex64]
    run: int = 0
    next_slice: int = 0
    wave: NDArray[np.complex64] | None = None
    halfway: bool = True
    read_after: frozenset[int] = frozenset()
    readings: list[NDArray[np.float64]] = field(default_factory=list)

    @cached_property
    def middle(self) -> tuple[int, int]:
        """Grid point (x, y) of the tile in the middle of its windows."""
        x, y = np.round(self.centre).astype(int)
        return int(x), int(y)

    def keep(self, *parts: NDArray[np.complex64], halfway: bool) -> None:
        """Keep a copy of the wave until the next slices are there; its parts (n, k) lie beside each other."""
        shape = len(parts[0]), sum(part.shape[1] for part in parts)
        self.wave, self.halfway = self.memory[: shape[0] * shape[1]].reshape(shape), halfway
        np.concatenate(parts, axis=1, out=self.wave)

    @property
    def finished(self) -> bool:
        return self.run == len(self.runs)


@dataclass(eq=False)
class Multislice:
    """Sends probes through a tile. grids, plans: by window size; focus: in Å, on the tile's heights."""

    tile: TileSlices
    grids: dict[int, WaveGrid]
    plans: dict[int, Plans]
    focus: float
    memory: SliceMemory
    _ramps: dict[tuple[int, float], Ramp] = field(default_factory=dict)

    @cached_property
    def heights(self) -> list[float]:
        """Where the tile's slices act, in Å."""
        return [self.tile.height(k) for k in range(len(self.tile))]

    def run(self, flights: list[Flight]) -> None:
        """Fly all probes to the end; their `signal` (channel,) is then complete."""
        needed = np.zeros(len(self.tile), bool)
        for flight in flights:
            for run in flight.runs:
                needed[run.slices] = True
        order = np.flatnonzero(needed)
        slab = self.memory.slices(self.tile.shape, len(self.tile.beyond), len(order))
        for begin in range(0, len(order), len(slab)):
            part = order[begin : begin + len(slab)]
            made = {int(k): self.tile.make(int(k), room) for k, room in zip(part, slab, strict=False)}
            for flight in flights:
                self._cross(flight, made)

    def _cross(self, flight: Flight, made: dict[int, Slice]) -> None:
        """Take one probe through those of the slices that it feels."""
        while not flight.finished:
            run = flight.runs[flight.run]
            left: list[int] = run.slices[flight.next_slice :].tolist()
            if left[0] not in made:
                return
            grid = self.grids[run.size]
            halfway = self._enter(flight, grid)
            for here, there in pairwise(left):
                self._transmit(flight, grid, made[here], halfway)
                halfway = True
                self._read(flight, grid, here)
                self._step(flight, grid, self.heights[there] - self.heights[here])
                flight.next_slice += 1
                if there not in made:
                    self._keep(flight, grid)
                    return
            self._transmit(flight, grid, made[left[-1]], halfway)
            self._end_run(flight, grid)

    def _enter(self, flight: Flight, grid: WaveGrid) -> bool:
        """Put the wave into the work array: the kept one, or the probe at the height of its first slice.

        Whether it is halfway transformed there.
        """
        plans = self.plans[grid.size]
        if flight.wave is not None:
            if not flight.halfway:
                plans.work[...] = flight.wave
                return False
            kept = plans.kept
            plans.work[:, :kept], plans.work[:, -kept:] = flight.wave[:, :kept], flight.wave[:, kept:]
            return True
        shift = (flight.centre - np.array(flight.middle) + grid.size // 2) * grid.sampling
        distance = self.heights[int(flight.runs[0].slices[0])] - self.focus
        along_x, along_y = (grid.ramp(distance, float(s)) for s in shift)
        probe_columns(plans.calls, plans.work, plans.columns, plans.kept, grid.probe, along_x, along_y)
        return True

    def _keep(self, flight: Flight, grid: WaveGrid) -> None:
        """Keep the wave, which is halfway transformed."""
        plans = self.plans[grid.size]
        flight.keep(plans.work[:, : plans.kept], plans.work[:, -plans.kept :], halfway=True)

    def _transmit(self, flight: Flight, grid: WaveGrid, made: Slice, halfway: bool) -> None:
        plans, (x, y) = self.plans[grid.size], flight.middle
        y0, x0 = y - grid.size // 2, x - grid.size // 2
        across_rows(
            plans.calls, plans.work, plans.rows, plans.kept, halfway,
            made.transmission, made.signal, y0, x0, flight.signal, self.tile.beyond,
        )  # fmt: skip

    def _step(self, flight: Flight, grid: WaveGrid, distance: float) -> None:
        """From the transmitted wave to the wave in front of the next slice; what leaves the band is seen."""
        plans = self.plans[grid.size]
        across_columns(
            plans.calls, plans.work, plans.columns, plans.kept, plans.whole_lines(grid.reach),
            grid.limit, *self._ramp(grid, distance), grid.leaving, flight.signal,
        )  # fmt: skip

    def _exit(self, grid: WaveGrid) -> NDArray[np.float64]:
        """What the detectors see (channel,) of the wave in the work array, which stays as it is: halfway
        transformed, columns beyond the band included.
        """
        plans, sums = self.plans[grid.size], np.zeros(len(grid.held))
        across_columns(
            plans.calls, plans.work, plans.columns, 0, grid.size // 2,
            grid.limit, *self._ramp(grid, 0.0), grid.held, sums,
        )  # fmt: skip
        return sums

    def _read(self, flight: Flight, grid: WaveGrid, k: int) -> None:
        """Keep what the detectors would see if the material ended after slice k, where that is asked for."""
        if k in flight.read_after:
            flight.readings.append(flight.signal + self._exit(grid))

    def _ramp(self, grid: WaveGrid, distance: float) -> Ramp:
        """Free space of one axis; the distances between slices are few."""
        key = (grid.size, distance)
        if key not in self._ramps:
            along = grid.ramp(distance, 0.0)
            self._ramps[key] = along.real.copy(), along.imag.copy()
        return self._ramps[key]

    def _end_run(self, flight: Flight, grid: WaveGrid) -> None:
        """After the last slice of a window: the exit, or the next window."""
        last = int(flight.runs[flight.run].slices[-1])
        flight.run += 1
        flight.next_slice = 0
        if flight.finished:
            flight.signal += self._exit(grid)
            if last in flight.read_after:
                flight.readings.append(flight.signal.copy())
            flight.wave = None
            return
        self._read(flight, grid, last)
        before, after = flight.runs[flight.run - 1], flight.runs[flight.run]
        distance = self.heights[int(after.slices[0])] - self.heights[int(before.slices[-1])]
        if after.size > grid.size:
            wider = self.grids[after.size]
            self._pad(grid, wider)
            self._step(flight, wider, distance)
            self._keep(flight, wider)
            return
        self._step(flight, grid, distance)
        if after.size < grid.size:
            self._crop(flight, grid, after.size)
        else:
            self._keep(flight, grid)

    def _pad(self, grid: WaveGrid, wider: WaveGrid) -> None:
        """The transmitted wave in the middle of a wider window's work array, zeros around it."""
        plans, room = self.plans[grid.size], self.plans[wider.size]
        rows_to_space(plans.calls, plans.work, plans.rows, grid.size // 2)
        begin = (wider.size - grid.size) // 2
        middle = slice(begin, begin + grid.size)
        room.work[...] = 0
        # The transforms of rows, to frequencies and back, have made the wave n times as large.
        np.multiply(plans.work, np.float32(wider.size / grid.size**2), out=room.work[middle, middle])
        rows_to_frequencies(room.calls, room.work, room.rows)

    def _crop(self, flight: Flight, grid: WaveGrid, size: int) -> None:
        """Keep the middle of the wave; what is cut off meets nothing any more, and is detected."""
        plans, begin = self.plans[grid.size], (grid.size - size) // 2
        rows_to_space(plans.calls, plans.work, plans.rows, plans.kept)
        middle = (slice(begin, begin + size), slice(begin, begin + size))
        flight.keep(plans.work[middle], halfway=False)
        assert flight.wave is not None
        flight.wave *= np.float32(size / grid.size)
        plans.work[middle] = 0
        rows_to_frequencies(plans.calls, plans.work, plans.rows)
        flight.signal += self._exit(grid)

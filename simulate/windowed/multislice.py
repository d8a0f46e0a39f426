"""Multislice of many probes through one super-tile, each in its own windows, slices made once for all.

Slices are made a few at a time; each wave crosses these before the next are made, and is kept in real space
in between. A wave is a raw transform: |wave|^2 adds up to n^2 times the share of the beam, |FFT wave|^2 to
n^4 times; so a wave is scaled when its window changes.

A step is: transmit in real space, the signal kernels read on the way; transform; detect what is about to
leave the band; propagate; transform back. Each wave goes through several slices before the next wave does, so
that it stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.plans import Plans
from simulate.windowed.slices import Slice, SliceMemory, TileSlices
from simulate.windowed.wave_grids import WaveGrid, detect, propagate, transmit
from simulate.windowed.windows import Run

Ramp = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Real and imaginary part (n,) of free space along one axis."""


@dataclass(eq=False)
class Flight:
    """One probe on its way: centre (x, y) in grid points of the tile, its windows, and the signal so far.

    `wave`: (n, n) complex64 in `memory`, in front of the slice `next_slice` of the run `run`; None before.
    `readings`: the signal (channel,) if the material ended after each of the slices `read_after`.
    """

    centre: NDArray[np.float64]
    runs: list[Run]
    signal: NDArray[np.float64]
    memory: NDArray[np.complex64]
    run: int = 0
    next_slice: int = 0
    wave: NDArray[np.complex64] | None = None
    read_after: frozenset[int] = frozenset()
    readings: list[NDArray[np.float64]] = field(default_factory=list)

    @cached_property
    def middle(self) -> tuple[int, int]:
        """Grid point (x, y) of the tile in the middle of its windows."""
        x, y = np.round(self.centre).astype(int)
        return int(x), int(y)

    def keep(self, wave: NDArray[np.complex64]) -> None:
        """Keep a copy of the wave until the next slices are there."""
        size = len(wave)
        self.wave = self.memory[: size * size].reshape(size, size)
        self.wave[...] = wave

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
            if int(run.slices[flight.next_slice]) not in made:
                return
            grid = self.grids[run.size]
            self._enter(flight, grid)
            last = len(run.slices) - 1
            while int(k := run.slices[flight.next_slice]) in made:
                self._transmit(flight, grid, made[int(k)])
                if flight.next_slice == last:
                    break
                self._read(flight, grid, int(k))
                self._step(flight, grid, self._distance(run, flight.next_slice))
                flight.next_slice += 1
            else:
                flight.keep(self.plans[grid.size].work)
                return
            self._end_run(flight, grid)

    def _distance(self, run: Run, k: int) -> float:
        return self.tile.height(int(run.slices[k + 1])) - self.tile.height(int(run.slices[k]))

    def _enter(self, flight: Flight, grid: WaveGrid) -> None:
        """Put the wave into the work array: the kept one, or the probe at the height of its first slice."""
        work = self.plans[grid.size].work
        if flight.wave is not None:
            work[...] = flight.wave
            return
        shift = (flight.centre - np.array(flight.middle) + grid.size // 2) * grid.sampling
        distance = self.tile.height(int(flight.runs[0].slices[0])) - self.focus
        along_x, along_y = (grid.ramp(distance, float(s)) for s in shift)
        np.multiply(grid.probe, along_y[:, None], out=work)
        work *= along_x
        self.plans[grid.size].backward()

    def _transmit(self, flight: Flight, grid: WaveGrid, made: Slice) -> None:
        n, (x, y) = grid.size, flight.middle
        begin = n // 2
        sums = np.zeros(len(made.signal))
        transmit(self.plans[n].work, made.transmission, made.signal, y - begin, x - begin, sums)
        flight.signal[self.tile.beyond] += sums / n**2

    def _step(self, flight: Flight, grid: WaveGrid, distance: float) -> None:
        """From the transmitted wave to the wave in front of the next slice; what leaves the band is seen."""
        plans = self.plans[grid.size]
        plans.forward.execute()
        sums = np.zeros(len(grid.cut))
        propagate(plans.work, grid.limit, *self._ramp(grid, distance), grid.cut, sums)
        if len(sums):
            flight.signal += sums / grid.size**4
        plans.backward()

    def _exit(self, grid: WaveGrid) -> NDArray[np.float64]:
        """What the detectors see (channel,) of the wave in the work array, which is transformed."""
        plans, sums = self.plans[grid.size], np.zeros(len(grid.held))
        plans.forward.execute()
        detect(plans.work, grid.held, sums)
        return sums / grid.size**4

    def _read(self, flight: Flight, grid: WaveGrid, k: int) -> None:
        """Keep what the detectors would see if the material ended after slice k, where that is asked for."""
        if k in flight.read_after:
            work = self.plans[grid.size].work
            wave = work.copy()
            flight.readings.append(flight.signal + self._exit(grid))
            work[...] = wave

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
        distance = self.tile.height(int(after.slices[0])) - self.tile.height(int(before.slices[-1]))
        wider = self.grids[after.size]
        if after.size > grid.size:
            _pad(self.plans[grid.size].work, self.plans[wider.size].work)
            self._step(flight, wider, distance)
            flight.keep(self.plans[wider.size].work)
            return
        self._step(flight, grid, distance)
        if after.size < grid.size:
            self._crop(flight, grid, after.size)
        else:
            flight.keep(self.plans[grid.size].work)

    def _crop(self, flight: Flight, grid: WaveGrid, size: int) -> None:
        """Keep the middle of the wave; what is cut off meets nothing any more, and is detected."""
        work, begin = self.plans[grid.size].work, (grid.size - size) // 2
        middle = (slice(begin, begin + size), slice(begin, begin + size))
        flight.keep(work[middle])
        assert flight.wave is not None
        flight.wave *= np.float32(size / grid.size)
        work[middle] = 0
        flight.signal += self._exit(grid)


def _pad(small: NDArray[np.complex64], large: NDArray[np.complex64]) -> None:
    """The small window in the middle of the large one, zeros around it."""
    begin, size = (len(large) - len(small)) // 2, len(small)
    large[...] = 0
    np.multiply(small, np.float32(len(large) / size), out=large[begin : begin + size, begin : begin + size])

"""Multislice of many probes through one super-tile on a torch device: all waves that cross a slice in windows
of one size go together.

The waves of all probes stay on the device, each in a place of its own that holds the largest window. A slice
is made, every leg through it is flown (`courses`), and it is forgotten. What is computed, and in which order
within a probe, is what `simulate.windowed.multislice` does on the processor, in the same precision: waves in
complex64, sums of a row in float32, sums of rows in float64. No step depends on which of two threads comes
first, so the same batches give the same bits on one type of device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.courses import Course, Leg, neighbours
from simulate.windowed.multislice import Flight
from simulate.windowed.slices import TileSlices
from simulate.windowed.slices_torch import DeviceSlices
from simulate.windowed.wave_grids_torch import DeviceGrid
from stochgeom.errors import require

Tensor = Any
"""A torch.Tensor: torch is imported only where a device is asked for."""

_POINT_BYTES = 48
"""For each grid point of the waves that are worked on at once: themselves, their slices' windows, their
transforms with the room that these take, intensities and weighted intensities.
"""


@dataclass(eq=False)
class TorchMultislice:
    """Sends probes through a tile. grids: by window size; focus: in Å, on the tile's heights; work_bytes:
    about what may be taken on `device` beside the waves themselves.
    """

    tile: TileSlices
    grids: dict[int, DeviceGrid]
    focus: float
    device: str
    work_bytes: float
    _waves: Tensor = field(default=None, init=False)
    _signal: Tensor = field(default=None, init=False)
    _centres: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), init=False)

    def run(self, flights: list[Flight]) -> None:
        """Fly all probes to the end; their `signal` (channel,) is then complete."""
        torch = require("torch", extra="learn")
        course = Course(self.tile, [flight.runs for flight in flights])
        slices = DeviceSlices(self.tile, self.device, self.work_bytes)
        self._centres = np.array([flight.centre for flight in flights])
        room = (len(flights), course.largest**2)
        self._waves = torch.empty(room, dtype=torch.complex64, device=self.device)
        self._signal = self._to(np.array([flight.signal for flight in flights]))
        for k in course.slices:
            transmission, kernels = slices.make(int(k))
            for leg in course.legs(int(k)):
                for batch in leg.batches(self.work_bytes / _POINT_BYTES):
                    self._cross(batch, int(k), transmission, kernels)
        for flight, signal in zip(flights, self._signal.cpu().numpy(), strict=True):
            flight.signal[...] = signal
        self._waves = None

    def _to(self, array: NDArray[Any]) -> Tensor:
        torch = require("torch", extra="learn")
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _room(self, size: int) -> Tensor:
        """The waves of all probes, taken as windows of `size` points: a view (p, n, n)."""
        return self._waves[:, : size**2].unflatten(1, (size, size))

    def _cross(self, leg: Leg, k: int, transmission: Tensor, kernels: Tensor) -> None:
        """Through slice k and on to the next slices, or out."""
        waves = self._in_front(leg, k)
        self._transmit(waves, leg, transmission, kernels)
        narrow = int(np.searchsorted(leg.after, leg.size, side="right"))
        if narrow:
            self._on(waves[:narrow], leg.part(0, narrow))
        wider = leg.part(narrow, len(leg.after))
        for size, part in neighbours(wider.after):
            padded = _padded(waves[narrow:][part], int(size))
            self._on(padded, wider.part(part.start, part.stop).resized(int(size)))

    def _in_front(self, leg: Leg, k: int) -> Tensor:
        """Waves (w, n, n) in front of slice k: those on their way, and probes that enter there."""
        room = self._room(leg.size)
        new = leg.probes[leg.begins]
        if len(new):
            centres, grid = self._centres[new], self.grids[leg.size]
            shift = (centres - self._origins(new, leg.size)) * grid.sampling
            distance = np.full(len(new), self.tile.height(k) - self.focus)
            room[self._to(new)] = grid.probes(shift, distance)
        return room.index_select(0, self._to(leg.probes))

    def _origins(self, probes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Grid points (w, 2; x, y) of the tile where the windows begin."""
        return np.round(self._centres[probes]).astype(np.int64) - size // 2

    def _transmit(self, waves: Tensor, leg: Leg, transmission: Tensor, kernels: Tensor) -> None:
        """Read the signal kernels, then multiply the waves by their windows of the slice."""
        x, y = self._to(self._origins(leg.probes, leg.size).T)

        def windows(plane: Tensor) -> Tensor:
            return plane.unfold(0, leg.size, 1).unfold(1, leg.size, 1)[y, x]

        if len(kernels):
            intensity = waves.abs().square_()
            for channel, plane in zip(self.tile.beyond, kernels, strict=True):
                self._count(leg, int(channel), intensity * windows(plane), leg.size**2)
        waves.mul_(windows(transmission))

    def _on(self, waves: Tensor, leg: Leg) -> None:
        """From behind a slice to the exit, or to the front of the next slice."""
        grid = self.grids[leg.size]
        spectra = grid.forward(waves)
        left = int(np.searchsorted(leg.after, 0, side="right"))
        if left:
            self._detect(spectra[:left], leg.part(0, left), grid.held)
        leg, spectra = leg.part(left, len(leg.after)), spectra[left:]
        if not len(leg.after):
            return
        self._detect(spectra, leg, grid.leaving)
        for distance, part in neighbours(leg.distance):
            spectra[part].mul_(grid.propagator(distance))
        waves = grid.backward(spectra)
        for size, part in neighbours(leg.after):
            self._keep(waves[part], leg.part(part.start, part.stop), int(size))

    def _keep(self, waves: Tensor, leg: Leg, size: int) -> None:
        """Put the waves away, cropped to `size`; what is cut off meets nothing any more, and is detected."""
        begin = (leg.size - size) // 2
        middle = waves[:, begin : begin + size, begin : begin + size]
        self._room(size)[self._to(leg.probes)] = middle if size == leg.size else middle * (size / leg.size)
        if size < leg.size:
            middle.zero_()
            grid = self.grids[leg.size]
            self._detect(grid.forward(waves), leg, grid.held)

    def _detect(self, spectra: Tensor, leg: Leg, seen: dict[int, Tensor]) -> None:
        """Count transformed waves with a sensitivity (n, n) for each channel."""
        if not seen:
            return
        intensity = spectra.abs().square_()
        for channel, weights in seen.items():
            self._count(leg, channel, intensity * weights, leg.size**4)

    def _count(self, leg: Leg, channel: int, intensity: Tensor, beam: float) -> None:
        """Add intensities (w, n, n) to the signals; `beam`: what they add up to for the whole beam."""
        sums = intensity.sum(dim=2).double().sum(dim=1)
        self._signal[self._to(leg.probes), channel] += sums / beam


def _padded(small: Tensor, size: int) -> Tensor:
    """Waves (w, n, n) in the middle of windows of `size` points, zeros around them."""
    begin, inner = (size - small.shape[1]) // 2, small.shape[1]
    large = small.new_zeros((len(small), size, size))
    large[:, begin : begin + inner, begin : begin + inner] = small * (size / inner)
    return large

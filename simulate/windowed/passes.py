"""Steps of a wave, in two passes over it: across rows through a slice, across columns through free space.

Between steps a wave is halfway transformed: along x it is in frequencies, along y in space. A pass takes a
few lines at a time out of the work array, transforms them, multiplies and detects, and transforms them back,
while they are in the cache next to the processor:

- across rows: to space, through the slice, to frequencies. Columns beyond the band are zero before;
- across columns: to frequencies, detected and propagated, to space. Columns beyond the band are transformed
  as far as detectors see them, and never back.

So a wave passes twice through the processor, where whole transforms and products take it there six times, and
a third of the columns' transforms back is left out. `calls` (5,): addresses (`Plans.calls`) of FFTW and of
the plans: rows to space, rows to frequencies, columns to frequencies, columns to space.

Nothing here is kept in numba's cache on disk: functions loaded from it round otherwise than those just
compiled (`fastmath`), and a corpus must have the same bytes from whoever makes it. Compiling costs each
process 2 to 3 s.
"""

from __future__ import annotations

import numba
import numpy as np

from simulate.windowed.fftw import execute

POINT_BYTES = 8
"""Of complex64."""


@numba.njit(nogil=True)
def copy(source, target):  # type: ignore[no-untyped-def]
    """A line into another; numba would compile an assignment, and its text on unlike sizes, for seconds."""
    for x in range(source.size):
        target[x] = source[x]


@numba.njit(nogil=True, fastmath=True)
def seen(line, weight):  # type: ignore[no-untyped-def]
    """Sum |wave|^2 weight of a line; line (2 n,), real and imaginary parts in turn, weight (n,): float32."""
    total = np.float32(0.0)
    for x in range(weight.size):
        total += (line[2 * x] * line[2 * x] + line[2 * x + 1] * line[2 * x + 1]) * weight[x]
    return total


@numba.njit(nogil=True, fastmath=True)
def multiplied(line, real, imaginary):  # type: ignore[no-untyped-def]
    """line *= real + i imaginary; planes, because of complex numbers the compiler makes worse vectors."""
    for x in range(real.size):
        a, b = line[2 * x], line[2 * x + 1]
        line[2 * x] = a * real[x] - b * imaginary[x]
        line[2 * x + 1] = a * imaginary[x] + b * real[x]


@numba.njit(nogil=True, fastmath=True)
def seen_and_multiplied(line, weight, real, imaginary):  # type: ignore[no-untyped-def]
    """`seen`, then `multiplied`, at once."""
    total = np.float32(0.0)
    for x in range(real.size):
        a, b = line[2 * x], line[2 * x + 1]
        total += (a * a + b * b) * weight[x]
        line[2 * x] = a * real[x] - b * imaginary[x]
        line[2 * x + 1] = a * imaginary[x] + b * real[x]
    return total


@numba.njit(nogil=True, fastmath=True)
def propagated(line, limit, real, imaginary, c, d):  # type: ignore[no-untyped-def]
    """line *= limit (real + i imaginary) (c + i d)."""
    for y in range(limit.size):
        g = (c * real[y] - d * imaginary[y]) * limit[y]
        h = (c * imaginary[y] + d * real[y]) * limit[y]
        a, b = line[2 * y], line[2 * y + 1]
        line[2 * y] = a * g - b * h
        line[2 * y + 1] = a * h + b * g


@numba.njit(nogil=True, fastmath=True)
def seen_and_propagated(line, weight, limit, real, imaginary, c, d):  # type: ignore[no-untyped-def]
    """`seen`, then `propagated`, at once."""
    total = np.float32(0.0)
    for y in range(limit.size):
        g = (c * real[y] - d * imaginary[y]) * limit[y]
        h = (c * imaginary[y] + d * real[y]) * limit[y]
        a, b = line[2 * y], line[2 * y + 1]
        total += (a * a + b * b) * weight[y]
        line[2 * y] = a * g - b * h
        line[2 * y + 1] = a * h + b * g
    return total


@numba.njit(nogil=True, fastmath=True)
def across_rows(calls, work, rows, kept, halfway, transmission, signal, y0, x0, sums, channels):  # type: ignore[no-untyped-def]
    """Through a slice: detected with its kernels `signal`, then multiplied by its transmission.

    work (n, n) complex64: the wave in front of the slice, halfway transformed if `halfway`, and else in
    space; in the end halfway transformed. `kept`: columns at both ends of a row that it has. rows (r, n):
    room for r rows. transmission (2, y, x), signal (c, y, x) float32, of which the window at (y0, x0) is
    taken; the shares sum |wave|^2 signal / n^2 of the beam are added to sums[channels], channels (c,).
    """
    n, count, last = work.shape[0], rows.shape[0], signal.shape[0] - 1
    scale = 1.0 / n**2
    base, apart, room = np.intp(work.ctypes.data), work.strides[0], np.intp(rows.ctypes.data)
    for begin in range(0, n, count):
        if halfway:
            for k in range(begin, begin + count):
                work[k, kept : n - kept] = 0
            execute(calls[0], calls[1], base + begin * apart, room)
        else:
            for k in range(count):
                copy(work[begin + k], rows[k])
        for k in range(count):
            row, y = rows[k].view(np.float32), y0 + begin + k
            real, imaginary = transmission[0, y, x0 : x0 + n], transmission[1, y, x0 : x0 + n]
            for c in range(last):
                sums[channels[c]] += scale * seen(row, signal[c, y, x0 : x0 + n])
            if last >= 0:
                kernel = signal[last, y, x0 : x0 + n]
                sums[channels[last]] += scale * seen_and_multiplied(row, kernel, real, imaginary)
            else:
                multiplied(row, real, imaginary)
        execute(calls[0], calls[2], room, base + begin * apart)


@numba.njit(nogil=True, fastmath=True)
def across_columns(calls, work, columns, kept, reach, limit, real, imaginary, weights, sums):  # type: ignore[no-untyped-def]
    """Through free space: `sums` (c,) get sum |wave|^2 weights / n^4, then work *= limit x along_x x along_y.

    work (n, n) complex64, halfway transformed before and after; unchanged if `kept` is 0. `reach`, `kept`:
    columns at both ends that are transformed, and of these the ones that the band holds. columns (c, n): room
    for c columns. along = real + i imaginary (n,). limit (n / 2 + 1, n) and weights (c, n / 2 + 1, n)
    float32, in FFT order, are those of the columns of positive frequencies, which negative ones repeat: both
    are worked on in turn.
    """
    n, count = work.shape[0], columns.shape[0]
    base, room = np.intp(work.ctypes.data), np.intp(columns.ctypes.data)
    scale, last = 1.0 / n**4, weights.shape[0] - 1
    for half in range(0, reach, count):
        for begin in (half, n - half - count):
            execute(calls[0], calls[3], base + begin * POINT_BYTES, room)
            for k in range(count):
                x = begin + k
                column, mirrored = columns[k].view(np.float32), min(x, n - x)
                inside = half < kept
                for c in range(last if inside else last + 1):
                    sums[c] += scale * seen(column, weights[c, mirrored])
                if not inside:
                    continue
                least, along = limit[mirrored], (real[x], imaginary[x])
                if last >= 0:
                    weight = weights[last, mirrored]
                    sums[last] += scale * seen_and_propagated(column, weight, least, real, imaginary, *along)
                else:
                    propagated(column, least, real, imaginary, *along)
            if half < kept:
                execute(calls[0], calls[4], room, base + begin * POINT_BYTES)


@numba.njit(nogil=True, fastmath=True)
def probe_columns(calls, work, columns, kept, probe, along_x, along_y):  # type: ignore[no-untyped-def]
    """Put a probe into work (n, n), halfway transformed: probe (x, y) complex64 in frequencies, times
    along_x (n,) and along_y (n,) complex64. Only the `kept` columns at both ends are written.
    """
    n, count = work.shape[0], columns.shape[0]
    base, room = np.intp(work.ctypes.data), np.intp(columns.ctypes.data)
    for half in range(0, kept, count):
        for begin in (half, n - half - count):
            for k in range(count):
                factor = along_x[begin + k]
                for y in range(n):
                    columns[k, y] = probe[begin + k, y] * along_y[y] * factor
            execute(calls[0], calls[4], room, base + begin * POINT_BYTES)


@numba.njit(nogil=True)
def rows_to_space(calls, work, rows, kept):  # type: ignore[no-untyped-def]
    """From halfway transformed to space, in work (n, n), of whose columns `kept` at both ends count."""
    n, count = work.shape[0], rows.shape[0]
    base, apart, room = np.intp(work.ctypes.data), work.strides[0], np.intp(rows.ctypes.data)
    for begin in range(0, n, count):
        for k in range(begin, begin + count):
            work[k, kept : n - kept] = 0
        execute(calls[0], calls[1], base + begin * apart, room)
        for k in range(count):
            copy(rows[k], work[begin + k])


@numba.njit(nogil=True)
def rows_to_frequencies(calls, work, rows):  # type: ignore[no-untyped-def]
    """From space to halfway transformed, in work (n, n)."""
    n, count = work.shape[0], rows.shape[0]
    base, apart, room = np.intp(work.ctypes.data), work.strides[0], np.intp(rows.ctypes.data)
    for begin in range(0, n, count):
        for k in range(count):
            copy(work[begin + k], rows[k])
        execute(calls[0], calls[2], room, base + begin * apart)


@numba.njit(nogil=True)
def only_transforms(calls, work, rows, columns, kept, reach):  # type: ignore[no-untyped-def]
    """The transforms of `across_rows` and `across_columns` and nothing else, for comparison."""
    n, count = work.shape[0], rows.shape[0]
    base, apart, room = np.intp(work.ctypes.data), work.strides[0], np.intp(rows.ctypes.data)
    for begin in range(0, n, count):
        execute(calls[0], calls[1], base + begin * apart, room)
        execute(calls[0], calls[2], room, base + begin * apart)
    count, room = columns.shape[0], np.intp(columns.ctypes.data)
    for half in range(0, reach, count):
        for begin in (half, n - half - count):
            execute(calls[0], calls[3], base + begin * POINT_BYTES, room)
            if half < kept:
                execute(calls[0], calls[4], room, base + begin * POINT_BYTES)

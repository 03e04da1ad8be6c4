# SPDX-License-Identifier: Apache-2.0
"""The force kernel compiled from Python by numba; the rest of the model is the C version's."""

import numpy as np
from _leanmd import Model as _Model
from numba import njit

# Loops that write one array are turned into vectors; with more, LLVM gives up on finding out that they do not overlap.
_VECTORS = 16  # elements that one turn of an unrolled loop takes, at most
_options = dict(fastmath=True, error_model="numpy", cache=True)


@njit(**_options)
def _factors(law, x, y, z, px, py, pz, first, factor):
    """What the vectors between one particle and others, from `first` on, are to be multiplied with to become forces."""
    _, _, fa, fb, near2, far2, per_r = law
    for j in range(len(px)):
        dx, dy, dz = x - px[j], y - py[j], z - pz[j]
        r2 = dx * dx + dy * dy + dz * dz
        s = float(np.float32(1) / np.float32(r2))
        e = 1 - r2 * s
        u = s + s * e * (1 + e)
        u3 = u * u * u
        f = (fa * u3 - fb) * u3 * (np.sqrt(u) if per_r else u)
        factor[j] = f if (r2 >= near2) & (r2 < far2) & (j >= first) else 0.0


@njit(**_options)
def _push(factor, x, px, force):
    """Subtract one particle's force from those of the others, in one direction; the sum of what was subtracted."""
    total = 0.0
    for j in range(len(px)):
        f = factor[j] * (x - px[j])
        force[j] -= f
        total += f
    return total


@njit(**_options)
def _sums(law, x, y, z, px, py, pz):
    a, b, _, _, near2, far2, _ = law
    potential = inside = 0.0
    for j in range(len(px)):
        dx, dy, dz = x - px[j], y - py[j], z - pz[j]
        r2 = dx * dx + dy * dy + dz * dz
        if near2 <= r2 < far2:
            u3 = r2**-3
            potential += (a * u3 - b) * u3
            inside += 1.0
    return potential, inside


@njit(**_options)
def _padded(planes, n, length, fill):
    """Three planes of n as rows of another length, so that loops consist of whole vectors."""
    rows = np.full((3, length), fill)
    for d in range(3):
        rows[d, :n] = planes[d * n : (d + 1) * n]
    return rows


@njit(**_options)
def _forces(law, pos, shift, other, force, other_force, alone, wanted):
    n, m = len(pos) // 3, len(other) // 3
    length = (m + _VECTORS - 1) // _VECTORS * _VECTORS
    at, back, room = _padded(other, m, length, 1e9), np.zeros((3, length)), np.empty(length)
    potential = inside = 0.0
    for i in range(n):
        x, y, z = pos[i] + shift[0], pos[n + i] + shift[1], pos[2 * n + i] + shift[2]
        after = i + 1 if alone else 0
        start = after // _VECTORS * _VECTORS
        px, py, pz, factor = at[0, start:], at[1, start:], at[2, start:], room[start:]
        _factors(law, x, y, z, px, py, pz, after - start, factor)
        force[i] += _push(factor, x, px, back[0, start:])
        force[n + i] += _push(factor, y, py, back[1, start:])
        force[2 * n + i] += _push(factor, z, pz, back[2, start:])
        if wanted:
            p, k = _sums(
                law, x, y, z, px[after - start :], py[after - start :], pz[after - start :]
            )
            potential += p
            inside += k
    for d in range(3):
        other_force[d * m : (d + 1) * m] += back[d, :m]
    return potential, inside


class Model(_Model):
    """As _leanmd.Model, with forces by numba."""

    def pair(self, pos, other, shift, force, other_force, wanted):
        sums = _forces(self.law, pos, shift, other, force, other_force, False, wanted)
        return sums if wanted else None

    def alone(self, pos, force, wanted):
        sums = _forces(self.self_law, pos, (0.0, 0.0, 0.0), pos, force, force, True, wanted)
        return sums if wanted else None

# SPDX-License-Identifier: Apache-2.0
"""The force kernel compiled from Python by numba; the rest of the model is the C version's.

What makes LLVM turn the inner loop into vectors: it has no branch; all that it reads and writes beside its accumulators lies in one
array at constant distances, so that nothing has to be found out about overlaps; and its length is a whole number of vectors.
"""

import os

import llvmlite.binding


def _wide_vectors():
    """LLVM takes half of the registers' width where a machine has 512 bits, unless told otherwise, and before numba is loaded."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        features["prefer-256-bit"] = False
        os.environ.setdefault("NUMBA_CPU_FEATURES", features.flatten())


_wide_vectors()

import numpy as np  # noqa: E402
from _leanmd import Model as _Model  # noqa: E402
from numba import njit, types  # noqa: E402

# Others are taken in blocks, which consist of groups. A particle passes over a group whose bounding box is out of its reach.
_BLOCK, _GROUP = 512, 64
_PLANE = _BLOCK + 8  # planes that are multiples of 4096 bytes apart get in each other's way
_Y, _Z, _FX, _FY, _FZ, _ROOM = (_PLANE * k for k in (1, 2, 3, 4, 5, 6))
_FAR_AWAY = 1e9  # where particles are that fill the last group

_options = dict(fastmath=True, error_model="numpy", cache=True)


@njit(**_options)
def _row(law, x, y, z, group, length, first, per_r):
    """One particle against a group. per_r: None, or forces have the factor 1/r instead of 1/r^2 (kernel.h); a type of its own, so that the
    loop is compiled for one of them."""
    fa, fb, near2, far2 = law[2], law[3], law[4], law[5]
    fx = fy = fz = 0.0
    for j in range(length):
        dx, dy, dz = x - group[j], y - group[_Y + j], z - group[_Z + j]
        r2 = dx * dx + dy * dy + dz * dz
        s = float(np.float32(1) / np.float32(r2))
        e = 1 - r2 * s
        u = s + s * e * (1 + e)
        u3 = u * u * u
        s = u
        if per_r is not None:
            s = np.sqrt(u)
        f = (fa * u3 - fb) * u3 * s
        f = f if (r2 >= near2) & (r2 < far2) & (j >= first) else 0.0
        fx += f * dx
        fy += f * dy
        fz += f * dz
        group[_FX + j] += f * dx
        group[_FY + j] += f * dy
        group[_FZ + j] += f * dz
    return fx, fy, fz


@njit(**_options)
def _sums(law, x, y, z, group, length, first):
    a, b, near2, far2 = law[0], law[1], law[4], law[5]
    potential = inside = 0.0
    for j in range(length):
        dx, dy, dz = x - group[j], y - group[_Y + j], z - group[_Z + j]
        r2 = dx * dx + dy * dy + dz * dz
        here = (r2 >= near2) & (r2 < far2) & (j >= first)
        u = 1 / r2
        u3 = u * u * u
        potential += (a * u3 - b) * u3 if here else 0.0
        inside += 1.0 if here else 0.0
    return potential, inside


@njit(**_options)
def _fill(room, box, other, m, first, num, length):
    """A block of others, its forces zero, and the bounding boxes of its groups."""
    for d in range(3):
        plane = room[d * _PLANE : d * _PLANE + length]
        plane[:num] = other[d * m + first : d * m + first + num]
        plane[num:] = _FAR_AWAY
        room[_FX + d * _PLANE : _FX + d * _PLANE + length] = 0.0
        for g in range(length // _GROUP):
            there = plane[g * _GROUP : min((g + 1) * _GROUP, num)]
            box[g, d], box[g, 3 + d] = there.min(), there.max()


@njit(**_options)
def _gap2(x, least, most):
    gap = max(least - x, x - most, 0.0)
    return gap * gap


@njit(**_options)
def _forces(law, pos, shift, other, force, other_force, room, box, length, alone, wanted, per_r):
    n, m = len(pos) // 3, len(other) // 3
    far2 = law[5]
    potential = inside = 0.0
    for first in range(0, m, _BLOCK):
        num = min(m - first, _BLOCK)
        groups = (num + _GROUP - 1) // _GROUP
        _fill(room, box, other, m, first, num, groups * _GROUP)
        for i in range(first + num if alone else n):
            x, y, z = pos[i] + shift[0], pos[n + i] + shift[1], pos[2 * n + i] + shift[2]
            after = max(i + 1 - first, 0) if alone else 0
            for g in range(after // _GROUP, groups):
                if (_gap2(x, box[g, 0], box[g, 3]) + _gap2(y, box[g, 1], box[g, 4])
                        + _gap2(z, box[g, 2], box[g, 5]) >= far2):  # fmt: skip
                    continue
                group = room[g * _GROUP :]
                fx, fy, fz = _row(law, x, y, z, group, length, after - g * _GROUP, per_r)
                force[i] += fx
                force[n + i] += fy
                force[2 * n + i] += fz
                if wanted:
                    p, k = _sums(law, x, y, z, group, length, after - g * _GROUP)
                    potential += p
                    inside += k
        for d in range(3):
            at = _FX + d * _PLANE
            other_force[d * m + first : d * m + first + num] -= room[at : at + num]
    return potential, inside


# Compiled for these when a model is made, before the first step. Positions that came in a message cannot be written.
_array, _given = types.float64[::1], types.Array(types.float64, 1, "C", readonly=True)
_arguments = (
    _array, _given, types.UniTuple(types.float64, 3), _given, _array, _array,
    _array, types.float64[:, ::1], types.intp, types.boolean, types.boolean,
)  # fmt: skip


def _aligned(length):
    """Vectors do not go across cache lines."""
    room = np.zeros(length + 8)
    return room[-room.ctypes.data % 64 // 8 :][:length]


class Model(_Model):
    """As _leanmd.Model, with forces by numba."""

    def __init__(self, *args):
        self._per_r = True if self.law[-1] else None
        signature = (*_arguments, types.none if self._per_r is None else types.boolean)
        if signature not in _forces.signatures:
            _forces.disable_compile(False)
            _forces.compile(signature)
            _forces.disable_compile()
        self._laws = np.array(self.law, float), np.array(self.self_law, float)
        self._room = _aligned(_ROOM), np.empty((_BLOCK // _GROUP, 6))

    def pair(self, pos, other, shift, force, other_force, wanted):
        return self._add(self._laws[0], pos, shift, other, force, other_force, False, wanted)

    def alone(self, pos, force, wanted):
        return self._add(self._laws[1], pos, (0.0, 0.0, 0.0), pos, force, force, True, wanted)

    def _add(self, law, pos, shift, other, force, other_force, alone, wanted):
        sums = _forces(
            law, pos, shift, other, force, other_force, *self._room, _GROUP, alone, wanted, self._per_r
        )  # fmt: skip
        return sums if wanted else None

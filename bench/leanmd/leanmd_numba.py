# SPDX-License-Identifier: Apache-2.0
"""The force kernel compiled from Python by numba; the rest of the model is the C version's.

As in the C version, a particle meets the others in groups, as many as a vector has lanes, and a group that is out of its reach costs the test
only. LLVM turns a loop over a group into vector instructions if it is a function of its own; if it has no branch; if it counts by ``while`` and
in unsigned numbers (that of a ``range`` is not always recognised, and an index that may be negative might count from the end); and if all that
it reads and writes lies in one array at constant distances, so that nothing can overlap.
"""

import os

import llvmlite.binding


def _lanes():
    """Doubles in a vector. LLVM takes half of the registers' width where a machine has 512 bits, unless told otherwise, and before numba
    is loaded."""
    features = llvmlite.binding.get_host_cpu_features()
    if not features.get("avx512f"):
        return 4
    features["prefer-256-bit"] = False
    os.environ.setdefault("NUMBA_CPU_FEATURES", features.flatten())
    return 8


_LANES = _lanes()

import numpy as np  # noqa: E402
from _leanmd import Model as _Model  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba import njit, types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

# Others are taken in blocks. The room for a block has planes of positions, of forces to be subtracted, and of factors; and three vectors
# in which the forces on one particle are added up. Planes that are 4096 bytes apart, or little more, would get in each other's way.
_BLOCK = 512
_PLANE = _BLOCK + 64
_X, _Y, _Z, _FX, _FY, _FZ, _F, _SX = (np.uintp(_PLANE * k) for k in range(8))
_SY, _SZ, _ROOM = (_SX + np.uintp(_LANES * k) for k in range(1, 4))
_0, _1, _GROUP = np.uintp(0), np.uintp(1), np.uintp(_LANES)
_FAR_AWAY = 1e9  # where particles are that fill the last vector

_options = dict(fastmath=True, error_model="numpy", cache=True)


# ---- vectors -------------------------------------------------------------------------------------


@intrinsic
def _add_products(typing, room, sums, factors, x, positions):
    """The vector at `sums` += the factors * (x - the positions). A loop would not do: where it adds to has no constant distance from
    where it reads."""

    def code(context, builder, signature, values):
        vector = ir.VectorType(ir.DoubleType(), _LANES)
        room, sums, factors, x, positions = values
        data = context.make_array(signature.args[0])(context, builder, room).data

        def at(index):
            return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        lanes = ir.Constant(vector, ir.Undefined)
        for lane in range(_LANES):
            lanes = builder.insert_element(lanes, x, ir.IntType(32)(lane))
        dx = builder.fsub(lanes, builder.load(at(positions), align=8), flags=("fast",))
        product = builder.fmul(builder.load(at(factors), align=8), dx, flags=("fast",))
        sum = builder.fadd(product, builder.load(at(sums), align=8), flags=("fast",))
        builder.store(sum, at(sums), align=8)
        return context.get_dummy_value()

    return types.none(room, sums, factors, x, positions), code


@njit(forceinline=True, **_options)
def _within(far2, room, x, y, z, j):
    """Whether any of the group at j is within reach."""
    within = False
    k = _0
    while k < _GROUP:
        dx, dy, dz = x - room[j + k], y - room[_Y + j + k], z - room[_Z + j + k]
        within |= dx * dx + dy * dy + dz * dz < far2
        k += _1
    return within


@njit(forceinline=True, **_options)
def _act(law, room, x, y, z, j, after, per_r):
    """What the group at j exerts, and the factors of it. after: None, or only those from there on count. per_r: None, or forces have the
    factor 1/r instead of 1/r^2 (kernel.h). None is a type of its own, for which a loop of its own is compiled."""
    fa, fb, near2, far2 = law[2], law[3], law[4], law[5]
    k = _0
    while k < _GROUP:
        dx, dy, dz = x - room[j + k], y - room[_Y + j + k], z - room[_Z + j + k]
        r2 = dx * dx + dy * dy + dz * dz
        u = s = 1 / r2
        if per_r is not None:
            s = np.sqrt(u)
        u3 = u * u * u
        f = (fa * u3 - fb) * u3 * s
        f = f if (r2 >= near2) & (r2 < far2) else 0.0
        if after is not None:
            f = f if j + k >= after else 0.0
        room[_F + j + k] = f
        room[_FX + j + k] = f * dx + room[_FX + j + k]
        room[_FY + j + k] = f * dy + room[_FY + j + k]
        room[_FZ + j + k] = f * dz + room[_FZ + j + k]
        k += _1


@njit(forceinline=True, **_options)
def _energy(law, room, x, y, z, j, after):
    """The potential energy of the group at j, and how many are within reach."""
    a, b, near2, far2 = law[0], law[1], law[4], law[5]
    potential = inside = 0.0
    k = _0
    while k < _GROUP:
        dx, dy, dz = x - room[j + k], y - room[_Y + j + k], z - room[_Z + j + k]
        r2 = dx * dx + dy * dy + dz * dz
        here = (r2 >= near2) & (r2 < far2)
        if after is not None:
            here &= j + k >= after
        u = 1 / r2
        u3 = u * u * u
        potential += (a * u3 - b) * u3 if here else 0.0
        inside += 1.0 if here else 0.0
        k += _1
    return potential, inside


@njit(forceinline=True, **_options)
def _take(room, sums):
    """The sum of a vector, which is zero then."""
    total = 0.0
    k = _0
    while k < _GROUP:
        total += room[sums + k]
        room[sums + k] = 0.0
        k += _1
    return total


# ---- cells ---------------------------------------------------------------------------------------


@njit(**_options)
def _fill(room, other, m, first, num):
    """A block of others, forces zero."""
    full = (num + _LANES - 1) // _LANES * _LANES
    for d in range(3):
        plane, given, force = room[d * _PLANE :], other[d * m + first :], room[(3 + d) * _PLANE :]
        for j in range(num):
            plane[j] = given[j]
        for j in range(num, full):
            plane[j] = _FAR_AWAY
        for j in range(full):
            force[j] = 0.0


@njit(**_options)
def _give_back(room, other_force, m, first, num):
    for d in range(3):
        plane, force = room[(3 + d) * _PLANE :], other_force[d * m + first :]
        for j in range(num):
            force[j] -= plane[j]


@njit(**_options)
def _forces(
    law, room, pos, other, force, other_force, shift_x, shift_y, shift_z, wanted, alone, per_r
):
    """As leanmd_pair() of kernel.h; alone: None, or as leanmd_self()."""
    n, m = len(pos) // 3, len(other) // 3
    far2 = law[5]
    potential = inside = 0.0
    for first in range(0, m, _BLOCK):
        num = min(m - first, _BLOCK)
        _fill(room, other, m, first, num)
        for i in range(n if alone is None else first + num):
            x, y, z = pos[i] + shift_x, pos[n + i] + shift_y, pos[2 * n + i] + shift_z
            after = None if alone is None else np.uintp(max(i + 1 - first, 0))
            j = _0 if alone is None else after // _GROUP * _GROUP
            while j < np.uintp(num):
                if _within(far2, room, x, y, z, j):
                    _act(law, room, x, y, z, j, after, per_r)
                    _add_products(room, _SX, _F + j, x, _X + j)
                    _add_products(room, _SY, _F + j, y, _Y + j)
                    _add_products(room, _SZ, _F + j, z, _Z + j)
                    if wanted:
                        p, k = _energy(law, room, x, y, z, j, after)
                        potential += p
                        inside += k
                j += _GROUP
            force[i] += _take(room, _SX)
            force[n + i] += _take(room, _SY)
            force[2 * n + i] += _take(room, _SZ)
        _give_back(room, other_force, m, first, num)
    return potential, inside


# ---- the model -----------------------------------------------------------------------------------

# Positions that came in a message cannot be written.
_array, _given = types.float64[::1], types.Array(types.float64, 1, "C", readonly=True)
_arguments = (_array, _array, _given, _given, _array, _array, *[types.float64] * 3, types.boolean)


def _aligned(length):
    """Vectors do not go across cache lines."""
    room = np.zeros(length + 8)
    return room[-room.ctypes.data % 64 // 8 :][:length]


def _compile(per_r):
    """Before the first step, and not again for other types of arguments."""
    _forces.disable_compile(False)
    for alone in types.none, types.boolean:
        _forces.compile((*_arguments, alone, types.boolean if per_r else types.none))
    _forces.disable_compile()


class Model(_Model):
    """As _leanmd.Model, with forces by numba."""

    def __init__(self, *args):
        self._per_r = True if self.law[-1] else None
        self._laws = np.array(self.law, float), np.array(self.self_law, float)
        self._room = _aligned(int(_ROOM))
        _compile(self._per_r)

    def pair(self, pos, other, shift, force, other_force, wanted):
        sums = _forces(
            self._laws[0], self._room, pos, other, force, other_force, *shift, wanted, None, self._per_r
        )  # fmt: skip
        return sums if wanted else None

    def alone(self, pos, force, wanted):
        sums = _forces(
            self._laws[1], self._room, pos, pos, force, force, 0.0, 0.0, 0.0, wanted, True, self._per_r
        )  # fmt: skip
        return sums if wanted else None

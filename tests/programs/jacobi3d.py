# SPDX-License-Identifier: Apache-2.0
"""Jacobi iteration in three dimensions until an allreduce says that nothing changes much any more; faces travel over channels."""

import numpy as np

from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro

BLOCKS, N = (2, 3, 2), 6  # blocks in each dimension, cells per side of a block
ENOUGH, EVERY = 1e-3, 5


def box():
    """Cold, with a layer around that is hot on one side."""
    grid = np.zeros([b * N + 2 for b in BLOCKS])
    grid[0] = 1.0
    return grid


def sweep(p):
    return (
        p[:-2, 1:-1, 1:-1]
        + p[2:, 1:-1, 1:-1]
        + p[1:-1, :-2, 1:-1]
        + p[1:-1, 2:, 1:-1]
        + p[1:-1, 1:-1, :-2]
        + p[1:-1, 1:-1, 2:]
    ) / 6.0


def face(axis, at):
    """A layer of a padded block."""
    return tuple(at if a == axis else slice(1, -1) for a in range(3))


class Block(Chare):
    @coro
    def solve(self, done):
        at = [slice(i * N, (i + 1) * N + 2) for i in self.thisIndex]
        p = box()[tuple(at)].copy()
        channels = {}
        for axis in range(3):
            for side in (-1, 1):
                neighbour = list(self.thisIndex)
                neighbour[axis] += side
                if 0 <= neighbour[axis] < BLOCKS[axis]:
                    channels[axis, side] = Channel(self, self.thisProxy[tuple(neighbour)])
        iterations = 0
        while True:
            for (axis, side), channel in channels.items():
                channel.send(p[face(axis, 1 if side < 0 else -2)])
            for (axis, side), channel in channels.items():
                p[face(axis, 0 if side < 0 else -1)] = channel.recv()
            inner = sweep(p)
            change = float(np.abs(inner - p[1:-1, 1:-1, 1:-1]).max())
            p[1:-1, 1:-1, 1:-1] = inner
            iterations += 1
            if iterations % EVERY == 0 and self.allreduce(change, Reducer.max).get() < ENOUGH:
                break
        self.reduce(done, (iterations, p[1:-1, 1:-1, 1:-1]), Reducer.gather)


def serial():
    p, iterations = box(), 0
    while True:
        inner = sweep(p)
        change = np.abs(inner - p[1:-1, 1:-1, 1:-1]).max()
        p[1:-1, 1:-1, 1:-1] = inner
        iterations += 1
        if iterations % EVERY == 0 and change < ENOUGH:
            return iterations, p[1:-1, 1:-1, 1:-1]


def main(args):
    done = Future()
    Array(Block, BLOCKS).solve(done)
    got = np.empty([b * N for b in BLOCKS])
    want_iterations, want = serial()
    for index, (iterations, part) in zip(np.ndindex(BLOCKS), done.get()):
        assert iterations == want_iterations > EVERY
        got[tuple(slice(i * N, (i + 1) * N) for i in index)] = part
    assert np.array_equal(got, want), np.abs(got - want).max()
    print("equal to a serial run, bit for bit")
    charm.exit()


charm.start(main)

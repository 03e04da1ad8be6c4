# SPDX-License-Identifier: Apache-2.0
"""Floyd and Warshall's shortest paths between all pairs: rows of the matrix in blocks, row k is broadcast by its owner."""

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm, when

N, BLOCKS = 60, 7
FAR = 10**9


def lengths():
    """A sparse directed graph; some vertices cannot be reached from others."""
    rng = np.random.default_rng(9)
    d = np.where(rng.random((N, N)) < 0.06, rng.integers(1, 50, (N, N)), FAR)
    d[np.arange(N), np.arange(N)] = 0
    d[:, 5] = FAR
    d[5, 5] = 0
    return d


class Block(Chare):
    def __init__(self, done):
        i = self.thisIndex[0]
        self.first, self.last = i * N // BLOCKS, (i + 1) * N // BLOCKS
        self.d = lengths()[self.first : self.last]
        self.k = 0
        self.done = done
        self.send_row()

    def send_row(self):
        if self.first <= self.k < self.last:
            self.thisProxy.row(self.k, self.d[self.k - self.first])

    @when("self.k == k")  # owners of later rows may be faster than this element
    def row(self, k, row):
        self.d = np.minimum(self.d, self.d[:, [k]] + row)
        self.k += 1
        if self.k < N:
            self.send_row()
        else:
            self.reduce(self.done, self.d, Reducer.gather)


def main(args):
    done = Future()
    Array(Block, BLOCKS, args=[done])
    got = np.concatenate(done.get())
    want = lengths()
    for k in range(N):
        want = np.minimum(want, want[:, [k]] + want[k])
    assert np.array_equal(got, want)
    assert (got[:5, 5] >= FAR).all() and (got < FAR).sum() > N * N // 2
    print("all shortest paths agree")
    charm.exit()


charm.start(main)

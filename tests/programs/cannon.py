# SPDX-License-Identifier: Apache-2.0
"""Cannon's product of matrices: blocks of A travel left, blocks of B travel up, each chare multiplies what passes by."""

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm, coro, when

Q, SIZE = 4, 12  # blocks per side, rows of a block


def matrices():
    rng = np.random.default_rng(7)
    return rng.integers(-9, 10, (2, Q * SIZE, Q * SIZE))


class Block(Chare):
    def __init__(self):
        i, j = self.thisIndex
        self.round = 0
        self.blocks = {}  # "a" and "b", which wait to be multiplied
        self.left = self.thisProxy[i, (j - 1) % Q]
        self.up = self.thisProxy[(i - 1) % Q, j]

    def load(self, a, b):
        """The blocks of this place; they are skewed before the first product."""
        i, j = self.thisIndex
        self.thisProxy[i, (j - i) % Q].take(0, "a", a)
        self.thisProxy[(i - j) % Q, j].take(0, "b", b)

    @coro
    def multiply(self, done):
        c = np.zeros((SIZE, SIZE), int)
        for _ in range(Q):
            self.wait("len(self.blocks) == 2")
            a, b = self.blocks.pop("a"), self.blocks.pop("b")
            c += a @ b
            self.round += 1
            if self.round < Q:
                self.left.take(self.round, "a", a)
                self.up.take(self.round, "b", b)
        self.reduce(done, c, Reducer.gather)

    @when("self.round == round")
    def take(self, round, name, block):
        assert name not in self.blocks
        self.blocks[name] = block


def main(args):
    a, b = matrices()
    grid = Array(Block, (Q, Q))
    done = Future()
    grid.multiply(done)
    for i in range(Q):
        for j in range(Q):
            at = np.s_[i * SIZE : (i + 1) * SIZE, j * SIZE : (j + 1) * SIZE]
            grid[i, j].load(a[at], b[at])
    blocks = done.get()
    c = np.block([blocks[i * Q : (i + 1) * Q] for i in range(Q)])
    assert np.array_equal(c, a @ b)
    print("the product agrees")
    charm.exit()


charm.start(main)

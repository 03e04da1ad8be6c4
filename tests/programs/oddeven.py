# SPDX-License-Identifier: Apache-2.0
"""Odd-even transposition sort of blocks: in each phase neighbours merge what they have, the left one keeps the smaller half."""

import random

from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro

BLOCKS, SIZE = 9, 40


def block(i):
    """Many numbers occur more than once; the largest tend to start at the left."""
    rng = random.Random(i)
    return [rng.randrange(100) - 5 * i for _ in range(SIZE)]


class Block(Chare):
    @coro
    def sort(self, done):
        i = self.thisIndex[0]
        mine = sorted(block(i))
        left = Channel(self, self.thisProxy[i - 1]) if i > 0 else None
        right = Channel(self, self.thisProxy[i + 1]) if i < BLOCKS - 1 else None
        for phase in range(BLOCKS):  # enough for blocks of one size
            partner, keep_small = (right, True) if (i + phase) % 2 == 0 else (left, False)
            if partner is None:
                continue
            partner.send(mine)
            both = sorted(mine + partner.recv())
            mine = both[:SIZE] if keep_small else both[SIZE:]
        self.reduce(done, mine, Reducer.gather)


def main(args):
    done = Future()
    Array(Block, BLOCKS).sort(done)
    assert sum(done.get(), []) == sorted(sum((block(i) for i in range(BLOCKS)), []))
    print("sorted by neighbours")
    charm.exit()


charm.start(main)

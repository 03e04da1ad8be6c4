# SPDX-License-Identifier: Apache-2.0
"""Edit distance of two texts as a wavefront: a block computes as soon as the blocks above, left and diagonal have; no barrier."""

import random

from charm4py import Array, Chare, Future, charm

N, BLOCK = 96, 16
SIDE = N // BLOCK


def texts():
    rng = random.Random(8)
    a = [rng.choice("abcd") for _ in range(N)]
    b = list(a)
    for _ in range(30):
        b[rng.randrange(N)] = rng.choice("abcd")
        b.insert(rng.randrange(N), b.pop(rng.randrange(N)))
    return "".join(a), "".join(b)


def fill(a, b, top, left):
    """The last row and the last column of a block. top and left: what is above and beside; both begin with the corner."""
    previous, column = top, [top[-1]]
    for i, x in enumerate(a):
        row = [left[i + 1]]
        for j, y in enumerate(b):
            row.append(min(previous[j] + (x != y), previous[j + 1] + 1, row[j] + 1))
        previous = row
        column.append(row[-1])
    return previous, column


class Block(Chare):
    def __init__(self, done):
        self.done = done
        self.edges = {}

    def edge(self, name, values):
        self.edges[name] = values
        if len(self.edges) < 2:
            return
        i, j = self.thisIndex
        a, b = texts()
        rows, columns = slice(i * BLOCK, (i + 1) * BLOCK), slice(j * BLOCK, (j + 1) * BLOCK)
        bottom, right = fill(a[rows], b[columns], self.edges["top"], self.edges["left"])
        if i + 1 < SIDE:
            self.thisProxy[i + 1, j].edge("top", bottom)
        if j + 1 < SIDE:
            self.thisProxy[i, j + 1].edge("left", right)
        if i + 1 == j + 1 == SIDE:
            self.done(bottom[-1])


def main(args):
    done = Future()
    blocks = Array(Block, (SIDE, SIDE), args=[done])
    for k in range(SIDE):
        outside = list(range(k * BLOCK, (k + 1) * BLOCK + 1))
        blocks[0, k].edge("top", outside)
        blocks[k, 0].edge("left", outside)
    a, b = texts()
    bottom, _ = fill(a, b, list(range(N + 1)), list(range(N + 1)))
    got = done.get()
    assert got == bottom[-1] and 10 < got < 60, (got, bottom[-1])
    print("the distance agrees")
    charm.exit()


charm.start(main)

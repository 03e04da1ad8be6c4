# SPDX-License-Identifier: Apache-2.0
"""Sample sort: splitters from samples of all, then everybody sends everybody the numbers of its part."""

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm, coro

PARTS, SAMPLES = 6, 20


def numbers(part):
    """Of different size and range, with many equal numbers; one part has none."""
    rng = np.random.default_rng(part)
    return rng.integers(0, 1000 // (part + 1), 0 if part == 2 else 300 + 50 * part)


class Part(Chare):
    def __init__(self):
        self.received = []

    @coro
    def sort(self, done):
        mine = np.sort(numbers(self.thisIndex[0]))
        sample = mine[:: max(1, len(mine) // SAMPLES)]
        samples = np.sort(np.concatenate(self.allreduce(sample, Reducer.gather).get()))
        splitters = samples[[len(samples) * i // PARTS for i in range(1, PARTS)]]
        cuts = np.searchsorted(mine, splitters, side="right")
        for part, some in enumerate(np.split(mine, cuts)):
            self.thisProxy[part].receive(some)
        self.wait("len(self.received) == PARTS")
        self.reduce(done, np.sort(np.concatenate(self.received)), Reducer.gather)

    def receive(self, some):
        self.received.append(some)


def main(args):
    done = Future()
    Array(Part, PARTS).sort(done)
    parts = done.get()
    want = np.sort(np.concatenate([numbers(part) for part in range(PARTS)]))
    assert np.array_equal(np.concatenate(parts), want)
    assert max(len(part) for part in parts) < 2 * len(want) / PARTS, "parts of very unequal size"
    print("sorted by samples")
    charm.exit()


charm.start(main)

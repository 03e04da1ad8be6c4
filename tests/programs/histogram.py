# SPDX-License-Identifier: Apache-2.0
"""A histogram in two reductions: the range of all data, then the counts of every bin."""

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm

PARTS, BINS = 10, 37


def numbers(part):
    return np.random.default_rng(part).normal(part, 2.0, 500 + part)


class Part(Chare):
    def __init__(self, done):
        self.data = numbers(self.thisIndex[0])
        self.done = done
        # A constructor may contribute; the result starts the second pass on every element.
        extremes = np.array([-self.data.min(), self.data.max()])
        self.reduce(self.thisProxy.count, extremes, Reducer.max)

    def count(self, extremes):
        low, high = -extremes[0], extremes[1]
        counts, _ = np.histogram(self.data, BINS, (low, high))
        self.reduce(
            self.done,
            (counts, low, high),
            Reducer.tuple(Reducer.sum, Reducer.min, Reducer.max),
        )


def main(args):
    done = Future()
    Array(Part, PARTS, args=[done])
    counts, low, high = done.get()
    data = np.concatenate([numbers(part) for part in range(PARTS)])
    want, edges = np.histogram(data, BINS)
    assert (low, high) == (edges[0], edges[-1]) == (data.min(), data.max())
    assert np.array_equal(counts, want) and counts.sum() == len(data)
    print("the histogram agrees")
    charm.exit()


charm.start(main)

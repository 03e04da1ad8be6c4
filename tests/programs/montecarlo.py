# SPDX-License-Identifier: Apache-2.0
"""Monte Carlo with a random stream for each element: the same numbers on however many ranks, and in the serial run."""

import math

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm

SEED, STREAMS, SAMPLES = 20240117, 16, 5000


def estimate(stream):
    """Part of the volume of the unit ball in four dimensions that this stream finds."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(stream,)))
    x = rng.uniform(-1.0, 1.0, (SAMPLES, 4))
    inside = (x**2).sum(axis=1) <= 1.0
    return int(inside.sum()), math.fsum(x[inside].ravel())


class Sampler(Chare):
    def sample(self, counted, summed):
        count, total = estimate(self.thisIndex[0])
        self.reduce(counted, (count, count**2), Reducer.tuple(Reducer.sum, Reducer.sum))
        self.reduce(summed, total, Reducer.sum_ordered)


def main(args):
    samplers = Array(Sampler, STREAMS)
    results = []
    for _ in range(2):
        counted, summed = Future(), Future()
        samplers.sample(counted, summed)
        results.append((counted.get(), summed.get()))
    assert results[0] == results[1], "the second run differs"
    (inside, squares), total = results[0]

    serial = [estimate(stream) for stream in range(STREAMS)]
    assert len({count for count, _ in serial}) > STREAMS // 2, "streams that are one stream"
    assert inside == sum(count for count, _ in serial)
    assert np.isclose(total, sum(total for _, total in serial), rtol=1e-12, atol=1e-9)
    volume = 16.0 * inside / (STREAMS * SAMPLES)
    variance = (squares / STREAMS - (inside / STREAMS) ** 2) / (STREAMS - 1)
    error = 16.0 / SAMPLES * variance**0.5
    assert abs(volume - np.pi**2 / 2) < 5 * error, (volume, error)
    # The same text on 1, 2 and 4 ranks: the test names it.
    print(f"volume {volume:.12f}, sum {total.hex()}")
    charm.exit()


charm.start(main)

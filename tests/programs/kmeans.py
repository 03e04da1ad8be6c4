# SPDX-License-Identifier: Apache-2.0
"""k-means: points stay where they are; an allreduce of sums and counts in each round gives everybody the new centres."""

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro

POINTS, CLUSTERS, PARTS = 1200, 5, 6


def points():
    rng = np.random.default_rng(3)
    return np.concatenate(
        [rng.normal(centre, 0.6, (POINTS // CLUSTERS, 2)) for centre in rng.uniform(-8, 8, (5, 2))]
    )


def nearest(data, centres):
    return ((data[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)


def sums(data, labels):
    """One row for each cluster: the sum of its points and how many they are."""
    table = np.zeros((CLUSTERS, 3))
    np.add.at(table, labels, np.column_stack([data, np.ones(len(data))]))
    return table


def new_centres(table, centres):
    return np.where(table[:, 2:] > 0, table[:, :2] / np.maximum(table[:, 2:], 1), centres)


class Part(Chare):
    def __init__(self):
        self.data = points()[self.thisIndex[0] :: PARTS]

    @coro
    def cluster(self, centres):
        labels, rounds = None, 0
        while True:
            fresh = nearest(self.data, centres)
            changed = labels is None or bool((fresh != labels).any())
            labels = fresh
            table, going_on = self.allreduce(
                (sums(self.data, labels), changed), Reducer.tuple(Reducer.sum, Reducer.logical_or)
            ).get()
            if not going_on:
                return labels, centres, rounds
            centres = new_centres(table, centres)
            rounds += 1


def main(args):
    data = points()
    start = data[:: POINTS // CLUSTERS][:CLUSTERS] * 0.3
    answers = Array(Part, PARTS).cluster(start, ret=True).get()
    labels = np.empty(POINTS, int)
    for i, (some, _, _) in enumerate(answers):
        labels[i::PARTS] = some
    for _, centres, rounds in answers:
        assert np.array_equal(centres, answers[0][1]) and rounds == answers[0][2] > 1

    centres, previous, now = start, None, nearest(data, start)
    while previous is None or (previous != now).any():
        previous, centres = now, new_centres(sums(data, now), centres)
        now = nearest(data, centres)
    assert np.array_equal(labels, previous)
    assert np.allclose(answers[0][1], centres, rtol=0, atol=1e-12)
    print("clusters agree")
    charm.exit()


charm.start(main)

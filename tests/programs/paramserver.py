# SPDX-License-Identifier: Apache-2.0
"""A parameter server: shards own parts of the weights, workers pull them, push gradients; each round waits for all workers."""

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro, when

FEATURES, ROWS, SHARDS, WORKERS, ROUNDS, RATE = 24, 320, 3, 4, 25, 0.1


def data():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(ROWS, FEATURES))
    return x, x @ rng.normal(size=FEATURES) + 0.01 * rng.normal(size=ROWS)


def gradient(x, y, weights):
    return x.T @ (x @ weights - y) / ROWS


def part(shard):
    return slice(shard * FEATURES // SHARDS, (shard + 1) * FEATURES // SHARDS)


class Shard(Chare):
    def __init__(self):
        mine = part(self.thisIndex[0])
        self.weights = np.zeros(mine.stop - mine.start)
        self.round = 0
        self.gradients = {}

    @when("self.round == round")  # who is ahead gets the weights when they are there
    def pull(self, round):
        return self.weights

    def push(self, worker, gradient):
        self.gradients[worker] = gradient
        if len(self.gradients) == WORKERS:
            for w in sorted(self.gradients):  # in one order, so that all runs agree to the last bit
                self.weights = self.weights - RATE * self.gradients[w]
            self.gradients = {}
            self.round += 1


class Worker(Chare):
    def __init__(self, shards):
        self.shards = shards
        x, y = data()
        self.x, self.y = x[self.thisIndex[0] :: WORKERS], y[self.thisIndex[0] :: WORKERS]

    @coro
    def train(self):
        for round in range(ROUNDS):
            pulls = [self.shards[s].pull(round, ret=True) for s in range(SHARDS)]
            weights = np.concatenate([pull.get() for pull in pulls])
            step = gradient(self.x, self.y, weights)
            for s in range(SHARDS):
                self.shards[s].push(self.thisIndex[0], step[part(s)])
        error = ((self.x @ weights - self.y) ** 2).sum()
        return self.allreduce(error, Reducer.sum).get()


def main(args):
    shards = Array(Shard, SHARDS)
    workers = Array(Worker, WORKERS, args=[shards])
    errors = workers.train(ret=True).get()
    pulls = [shards[s].pull(ROUNDS, ret=True) for s in range(SHARDS)]
    got = np.concatenate([pull.get() for pull in pulls])

    x, y = data()
    weights = np.zeros(FEATURES)
    for _ in range(ROUNDS):
        last = weights
        for w in range(WORKERS):
            weights = weights - RATE * gradient(x[w::WORKERS], y[w::WORKERS], last)
    assert np.array_equal(got, weights), np.abs(got - weights).max()
    assert len(set(errors)) == 1
    assert np.isclose(errors[0], ((x @ last - y) ** 2).sum())
    assert errors[0] < 0.05 * (y**2).sum(), "it has learned something"
    print("the weights agree")
    charm.exit()


charm.start(main)

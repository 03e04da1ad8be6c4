# SPDX-License-Identifier: Apache-2.0
"""Random trees of pool tasks of every kind, compared with the same trees computed serially.

Usage: pool_storm.py [trees] [first seed]. What a node does depends on its number alone, so that every rank and the serial
run agree on the tree, whoever runs it and in whatever order.
"""

import random

from charm4py import *
from checks import check, equal, finish


class Wrong(Exception):
    pass


def plan(number, depth):
    """(kind, children, payload) of a node."""
    rng = random.Random(number * 1000003 + depth)
    count = 0 if depth == 0 else rng.choice((0, 1, 2, 2, 3, 5))
    kinds = ("map", "submit", "map_async", "futures", "chunks", "tasks", "limited", "plain")
    return (
        rng.choice(kinds),
        [(rng.randrange(10**6), depth - 1) for _ in range(count)],
        rng.random(),
    )


def fails(payload):
    return payload > 0.97


def serial(number, depth):
    """The value of a tree; a failed child counts 1000 for its parent."""
    kind, children, payload = plan(number, depth)
    total = 1
    if kind == "plain":
        total += sum(len(str(n)) for n, _ in children)
    else:
        values = []
        for child in children:
            try:
                values.append(serial(*child))
            except Wrong:
                values.append(None)
        # Only one future per item tells which ones failed; the other calls fail as a whole.
        if kind in ("futures", "tasks"):
            total += sum(1000 if v is None else v for v in values)
        elif None in values:
            total += 1000
        else:
            total += sum(values)
    if fails(payload):
        raise Wrong(number)
    return total


def leaf(number, depth):
    return len(str(number))


@coro
def pair(args):
    return node(*args)


def attempt(get):
    try:
        return get()
    except Wrong:
        return 1000


@coro
def node(number, depth):
    kind, children, payload = plan(number, depth)
    pool = charm.pool
    total = 1
    if kind == "plain":
        total += sum(pool.map(leaf, children))
    elif kind == "map":
        total += attempt(lambda: sum(pool.map(node, children)))
    elif kind == "submit":
        total += attempt(lambda: sum(pool.submit([(node, c) for c in children])))
    elif kind == "map_async":
        future = pool.map_async(node, children)
        charm.sleep(0)
        total += attempt(lambda: sum(future.get()))
    elif kind == "chunks":
        total += attempt(lambda: sum(pool.map(pair, children, chunksize=2)))
    elif kind == "limited":
        total += attempt(lambda: sum(pool.map(node, children, ncores=1)))
    elif kind == "tasks":
        futures = [pool.Task(node, c, ret=True) for c in children]
        total += sum(attempt(f.get) for f in reversed(futures))
    else:
        # Those that had not started when another one failed raise too: take them as they would have been.
        futures = pool.map_async(node, children, multi_future=True)
        for future, child in zip(futures, children):
            value = attempt(future.get)
            total += value if value != 1000 else attempt(lambda c=child: serial(*c))
    if fails(payload):
        raise Wrong(number)
    return total


class User(Chare):
    @coro
    def run(self, seed):
        try:
            return charm.pool.map(node, [(seed, 5)])[0]
        except Wrong:
            return "failed"


def main(args):
    trees = int(args[1]) if len(args) > 1 else 60
    first = int(args[2]) if len(args) > 2 else 0
    users = Group(User)
    for seed in range(first, first + trees):
        futures = [users[pe].run(seed * 100 + pe, ret=True) for pe in range(charm.numPes())]
        for pe, future in enumerate(futures):
            try:
                want = serial(seed * 100 + pe, 5)
            except Wrong:
                want = "failed"
            equal(future.get(), want, f"tree {seed * 100 + pe}")
    charm.waitQD()
    check(not charm.pool._ready, "nothing is left")
    equal(charm.pool.map(leaf, [(1, 0)] * 10), [1] * 10, "the pool works on")
    finish(trees)


charm.start(main)

# SPDX-License-Identifier: Apache-2.0
"""Load balancing in a running job: what moves, what stays, what rank 0 says, and that results do not depend on it.

Arguments: the strategy ("own": a function of this program; "report_fails": one whose report fails), then the runtime's flags. Load is made of processor time, so the
checks of balance hold however busy the machine is.
"""

import json
import os
import sys
import time

from charm4py import Array, Chare, Future, Reducer, charm, when
from checks import check, equal, finish

rounds = []
views = []
RULE = sys.argv[1]


def heaviest_first(view):
    """Longest processing time first; keeps what it was shown."""
    views.append(view)
    free = list(view.background)
    plan = [0] * view.num_objects
    for i in sorted(range(view.num_objects), key=lambda i: -view.load[i]):
        plan[i] = free.index(min(free))
        free[plan[i]] += view.load[i]
    return plan


def cannot_move(index):
    """Some that should move cannot be pickled."""
    return RULE in ("rotate", "random") and index % 7 == 6


class Cell(Chare):
    """The first quarter of them works eight times as long as the others."""

    def __init__(self, count, steps, done):
        self.count, self.steps, self.done = count, steps, done
        self.step = 0
        self.sum = self.thisIndex[0]
        self.places = [charm.myPe()]
        self.ready = True
        if self.thisIndex[0] % 5 == 4:
            self.setMigratable(False)
        if cannot_move(self.thisIndex[0]):
            self.lock = (x for x in ())  # cannot be pickled

    @when("self.ready and step == self.step")
    def work(self, step, value):
        self.ready = False
        until = time.thread_time() + (0.004 if 4 * self.thisIndex[0] < self.count else 0.0005)
        while time.thread_time() < until:
            pass
        self.sum = (self.sum * 31 + value) % 1000003
        self.step += 1
        if self.step == self.steps:
            self.reduce(self.done, (self.sum, self.places), Reducer.gather)
        else:
            self.AtSync()

    def migrated(self):
        self.places.append(charm.myPe())

    def resumeFromSync(self):
        """Neighbours exchange values: each works with that of the one before."""
        self.ready = True
        self.thisProxy[(self.thisIndex[0] + 1) % self.count].work(self.step, self.sum)


def expected(count, steps):
    sums = list(range(count))
    values = [0] * count
    for _ in range(steps):
        sums = [(s * 31 + v) % 1000003 for s, v in zip(sums, values)]
        values = [sums[i - 1] for i in range(count)]
    return sums


def imbalance(round):
    return round["worth"]["max_before"] / (round["worth"]["mean"] or 1)


def main(args):
    p = charm.numPes()
    count, steps = 16 * p, 4
    done = Future()
    cells = Array(Cell, count, args=[count, steps, done], useAtSync=True)
    cells.work(0, 0)
    result = done.get()
    equal([s for s, _ in result], expected(count, steps), "the result does not depend on it")
    if RULE == "off" or p == 1:
        equal((len(rounds), {len(places) for _, places in result}), (0, {1}), "nothing moves")
        finish(2)
    for i, (_, places) in enumerate(result):
        if i % 5 == 4 or cannot_move(i):
            equal(len(places), 1, "what must not or cannot move stays")
        elif RULE == "rotate":
            here = places[0]
            equal(places, [(here + k) % p for k in range(steps)], "each round one further")
    equal([r["number"] for r in rounds], list(range(steps - 1)), "a round at each point")
    free = sum(1 for i in range(count) if i % 5 != 4)
    equal({r["num_objects"] for r in rounds}, {free}, "objects that may move")
    refused = sum(1 for i in range(count) if i % 5 != 4 and cannot_move(i))
    if RULE in ("rotate", "random"):
        check(all(r["refused"] <= refused for r in rounds), "no more are refused")
        check(sum(r["refused"] for r in rounds) > 0, "refused")
    else:
        check(imbalance(rounds[0]) > 1.5, f"not balanced at first: {imbalance(rounds[0]):.2f}")
        check(imbalance(rounds[-1]) < 1.25, f"balanced at last: {imbalance(rounds[-1]):.2f}")
    moved = sum(r["worth"]["moved"] - r["refused"] for r in rounds if not r["skipped"])
    equal(moved, sum(len(places) - 1 for _, places in result), "the report counts moves")
    record = os.environ.get("C4PY_BALANCE_RECORD")
    if record:
        with open(record, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        equal(len(lines), (p + free) * (steps - 1), "one for each rank and object and round")
        places = {tuple(line["coords"]) for line in lines if "Cell#" in line.get("object", "")}
        equal(places, {(float(i),) for i in range(count) if i % 5 != 4}, "the objects")
    if RULE == "own":
        view = views[0]
        equal((view.num_ranks, view.num_objects, view.num_coords), (p, free, 1), "the view")
        equal(view.coords[:, 0].tolist(), [i for i in range(count) if i % 5 != 4], "coordinates")
        heavy = [load for load, (i,) in zip(view.load, view.coords) if 4 * i < count]
        check(all(0.003 < load < 0.008 for load in heavy), f"measured: {heavy}")
        check(view.background.sum() > 0.0005 * count / 5, "what cannot move is background")
    finish(10)


def fail(round):
    raise ArithmeticError("the report fails")


charm.options.quiet = True
charm.options.balancer = {"own": heaviest_first, "off": None, "report_fails": "none"}.get(
    RULE, RULE
)
charm.options.on_balance = fail if RULE == "report_fails" else rounds.append
charm.start(main)

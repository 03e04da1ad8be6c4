# SPDX-License-Identifier: Apache-2.0
"""A round of load balancing in which a few objects take long to move does not keep further ones from moving. For two ranks."""

import time

from charm4py import Array, Chare, Future, Reducer, charm
from checks import check, finish

COUNT = 96
SLOW = 0.1  # seconds to pack a cell in the second round
rounds = []


class Cell(Chare):
    """Those that begin on rank 0 work eight times as long as the others. In the second period those that are on rank 0 work a quarter
    longer, and are slow to move, in the third those on rank 1 by a half."""

    def __init__(self):
        self.heavy = 2 * self.thisIndex[0] < COUNT
        self.period = 0

    def work(self, done):
        self.done = done
        longer = ((1, 1), (1.25, 1), (1, 1.5))[self.period][charm.myPe()]
        until = time.thread_time() + 0.0005 * longer * (8 if self.heavy else 1)
        while time.thread_time() < until:
            pass
        self.AtSync()

    def __getstate__(self):
        if self.period == 1:
            until = time.perf_counter() + SLOW
            while time.perf_counter() < until:
                pass
        return self.__dict__

    def resumeFromSync(self):
        self.period += 1
        self.reduce(self.done, charm.myPe(), Reducer.sum)


def main(args):
    cells = Array(Cell, COUNT, useAtSync=True)
    for _ in range(3):
        done = Future()
        cells.work(done)
        done.get()
    first, second, third = rounds
    moved = [r["worth"]["moved"] for r in rounds]
    what = f"moved {moved}, seconds {[round(r['seconds'], 3) for r in rounds]}"
    check(moved[0] > 10 and not first["skipped"], what)
    check(0 < moved[1] < moved[0] and second["seconds"] > SLOW, what)
    check(moved[2] > 0 and not third["skipped"], f"the third is carried out; {what}")
    finish(3)


charm.options.quiet = True
charm.options.balancer = "refine"
charm.options.on_balance = rounds.append
charm.start(main)

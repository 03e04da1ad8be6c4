# SPDX-License-Identifier: Apache-2.0
"""A stencil on chares: strips of a plate that exchange rows over channels. Usage: stencil_c4py.py ROWS COLUMNS STEPS [--strips N]"""

import time

from stencil import arguments, make_strip, report, sweep

from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro


class Strip(Chare):
    @coro
    def run(self, rows, columns, steps, strips, done):
        me = self.thisIndex[0]
        old, new = make_strip(rows, columns, me, strips)
        above = Channel(self, self.thisProxy[me - 1]) if me > 0 else None
        below = Channel(self, self.thisProxy[me + 1]) if me < strips - 1 else None
        ends = []
        for _ in range(steps):
            if above:
                above.send(old[1])
            if below:
                below.send(old[-2])
            if above:
                old[0] = above.recv()
            if below:
                old[-1] = below.recv()
            sweep(old, new)
            if me == 0:
                new[0] = old[0]
            old, new = new, old
            ends.append(time.perf_counter())
        heat = self.allreduce(float(old[1:-1].sum()), Reducer.sum).get()
        if me == 0:
            report(ends, heat)
            done()


def main(args):
    options = arguments(args[1:])
    strips = options.strips * charm.numPes()
    done = Future()
    Array(Strip, strips).run(options.rows, options.columns, options.steps, strips, done)
    done.get()
    exit()


charm.start(main)

# SPDX-License-Identifier: Apache-2.0
"""Many small messages to a rank that is slower than the sender: it holds what the credits allow, the rest waits at the sender.

Usage: flood.py plain|coroutine [messages]. The sender is a plain method, which nothing holds back, or a coroutine, which is
suspended while too much waits. Run with C4PY_CREDIT_BYTES=1M on 2 ranks.
"""

import os

from c4py import lowlevel
from charm4py import *
from checks import check, equal, finish

MIB = 1 << 20
CREDIT = 1 * MIB
WARM_UP = 2000
LOOK_EVERY = 1000


def resident():
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Busy(Chare):
    """Computes at each message for longer than it takes to send one, and now and then for long."""

    def __init__(self):
        self.taken = 0
        self.start = self.peak = 0

    def take(self, number):
        assert number == self.taken, f"message {number} where {self.taken} was next"
        self.taken += 1
        sum(range(500))
        if self.taken == WARM_UP:
            self.start = self.peak = resident()
        elif self.taken > WARM_UP and (self.taken < WARM_UP + 4 or self.taken % 20000 == 0):
            self.let_it_pile_up()

    def let_it_pile_up(self):
        """Look at the network until nothing more comes: the queue is then as long as it gets."""
        now, quiet = resident(), 0
        while quiet < 300:
            lowlevel.poll()
            before, now = now, resident()
            quiet = quiet + 1 if now <= before else 0
        self.peak = max(self.peak, now)

    def report(self):
        return self.taken, self.start, self.peak


class Sender(Chare):
    def __init__(self):
        self.start = self.peak = self.backlog = 0

    def look(self):
        self.peak = max(self.peak, resident())
        self.backlog = max(self.backlog, lowlevel.backlog_bytes())

    def send(self, to, begin, end):
        self.start = self.start or resident()
        for number in range(begin, end):
            to.take(number)
            if number % LOOK_EVERY == 0:
                self.look()

    @coro
    def send_politely(self, to, begin, end):
        self.send(to, begin, end)

    def report(self):
        return self.start, self.peak, self.backlog


def main(args):
    plain, messages = args[1] == "plain", int(args[2]) if len(args) > 2 else 50000
    busy = Chare(Busy, onPE=charm.numPes() - 1)
    sender = Chare(Sender, onPE=0)
    send = sender.send if plain else sender.send_politely
    send(busy, 0, WARM_UP)
    charm.waitQD()
    sender.report(ret=True).get()
    send(busy, WARM_UP, messages)
    charm.waitQD()

    taken, start, peak = busy.report(ret=True).get()
    equal(taken, messages, "messages that arrived, in order")
    print(f"receiver: {start / MIB:.1f} MiB at first, at most {peak / MIB:.1f} MiB", flush=True)
    # Credits count bytes on the wire; buffers are rounded up, and the allocators keep some.
    check(peak - start <= 3 * CREDIT + 6 * MIB, f"the receiver grew by {peak - start} bytes")

    start, peak, backlog = sender.report(ret=True).get()
    print(
        f"sender: {start / MIB:.1f} MiB at first, at most {peak / MIB:.1f} MiB, of which {backlog / MIB:.1f} MiB waited for credit",
        flush=True,
    )
    if plain:  # the test would be of no use if the receiver kept up
        check(backlog > 2 * CREDIT, f"only {backlog} bytes waited")
    else:
        check(backlog <= 3 * CREDIT, f"{backlog} bytes waited")
        check(peak - start <= 9 * CREDIT + 6 * MIB, f"the sender grew by {peak - start} bytes")
    finish(at_least=3)


charm.start(main)

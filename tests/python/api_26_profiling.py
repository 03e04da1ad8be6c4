# SPDX-License-Identifier: Apache-2.0
"""charm.printStats(): what it charges to whom, and what it says when nothing is measured."""

import contextlib
import io
import re
import sys
import time

from charm4py import *
from checks import check, equal, finish, raises

ON = "off" not in sys.argv
BUSY = 0.05  # seconds


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class SpinsWhenCopied:
    """Takes its time when it is packed: that is time spent in sending."""

    def __reduce__(self):
        spin(BUSY)
        return SpinsWhenUnpacked, ()


class SpinsWhenUnpacked:
    def __init__(self):
        spin(BUSY)


class Worker(Chare):
    def __init__(self):
        spin(BUSY)
        self.ready = False

    def busy(self):
        spin(BUSY)

    def sends(self, peer):
        peer.takes(SpinsWhenCopied())

    def takes(self, value):
        pass

    @coro
    def waits(self):
        spin(BUSY / 2)
        charm.sleep(1 * BUSY)
        spin(BUSY / 2)
        charm.sleep(25 * BUSY)

    @when("self.ready")
    def later(self):
        spin(BUSY)

    def release(self):
        self.ready = True

    def contributes(self, future):
        self.reduce(future, SpinsWhenCopied(), Reducer.gather)

    def summed(self, future):
        self.reduce(future, [1, 2], Reducer.slow)

    def stats(self):
        return stats()


class Mover(Chare):
    def __getstate__(self):
        spin(BUSY)
        return {}

    def stats(self):
        return stats()


def slow(contributions):
    spin(BUSY)
    return contributions[0]


def stats():
    """What printStats() prints here: the text, and for each row its numbers."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        charm.printStats()
    rows = {}
    for line in text.getvalue().splitlines():
        found = re.match(r"\s*(\S.*?)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+(\d+)$", line)
        if found:
            rows[found.group(1)] = tuple(float(value) for value in found.groups()[1:])
    return text.getvalue(), rows


def about(seconds, want, what):
    """At least that long; a busy machine makes it longer."""
    check(want <= seconds < want + 10 * BUSY, f"{what}: {seconds} s, expected {want}")


EM, SEND, RECV, TOTAL, CALLS = range(5)


# 26 without profiling a note
def off(group):
    text, rows = stats()
    check("nothing was measured" in text and "charm.options.profiling" in text, text)
    equal(rows, {}, "no figures")
    group.busy(awaitable=True).get()
    finish(6)


def main(args):
    ranks = charm.numPes()
    group = Group(Worker)
    charm.awaitCreation(group)
    if not ON:
        off(group)
    last = group[ranks - 1]
    for _ in range(3):
        last.busy()
    last.waits(awaitable=True).get()
    last.later()
    last.release()
    last.sends(group[0], awaitable=True).get()
    future = Future()
    group.contributes(future)
    future.get()
    future = Future()
    group.summed(future)
    future.get()
    fired = Future()
    charm.scheduleCallableAfter(lambda: (spin(BUSY), fired(1)), 0)
    fired.get()
    charm.waitQD()

    # 26 em, send, recv and total of each entry method, subtotals; numbers of messages
    text, rows = last.stats(ret=True).get()
    about(rows["__init__"][EM], BUSY, "the constructor")
    equal(rows["busy"][CALLS], 3.0, "three calls")
    about(rows["busy"][EM], 3 * BUSY, "three times busy")
    about(rows["waits"][EM], BUSY, "a coroutine does not run while it waits")
    equal(rows["waits"][CALLS], 1.0)
    about(rows["later"][EM], BUSY, "a call that waited runs on its own account")
    check(rows["release"][EM] < BUSY, f"not on that of the one that let it: {rows['release']}")
    about(rows["sends"][SEND], BUSY, "packing belongs to the send")
    check(rows["sends"][EM] < BUSY, f"and not to the method: {rows['sends']}")
    about(rows["contributes"][SEND], BUSY, "a contribution is a send")
    for name, row in rows.items():
        check(abs(sum(row[:3]) - row[TOTAL]) < 4e-6, f"{name}: the total is the sum")
    entries = ("__init__", "busy", "waits", "later", "release", "sends", "contributes", "summed")
    check(set(entries) <= set(rows), f"all methods called are listed: {sorted(rows)}")
    # The rows above each sum are what it sums up.
    parts = [row for name, row in rows.items() if name not in ("(all)", "all")]
    for column in range(5):
        want = sum(row[column] for row in parts)
        check(abs(rows["all"][column] - want) < 1e-4, f"column {column}: {rows['all']}, not {want}")
    check("(all)" in rows and rows["(all)"][EM] >= sum(rows[name][EM] for name in entries) - 1e-5)
    received = re.search(r"messages received: (\d+)", text)
    check(received and int(received.group(1)) >= 9, text)

    if ranks > 1:
        text, rows = group[0].stats(ret=True).get()
        about(rows["takes"][RECV], BUSY, "unpacking the argument")
        check(rows["takes"][EM] < BUSY, f"not in the method: {rows['takes']}")
        check("busy" not in rows, "nothing that ran elsewhere")
        sent = re.search(r"messages sent: (\d+).*min (\d+), mean ([\d.]+), max (\d+)", text)
        check(sent and int(sent.group(2)) <= float(sent.group(3)) <= int(sent.group(4)), text)
    # 26 rows for timers and custom reductions; the remote form
    text, rows = stats()
    about(rows["timer callbacks"][EM], BUSY, "the timer's function")
    check(rows["functions run as coroutines"][SEND] > 0, "the entry function has sent")
    if ranks > 1:
        check(rows["custom reductions"][EM] >= BUSY, "the program's reducer")
        mover = Array(Mover, 1)
        for rank in (1, 0, 1):
            mover[0].migrate(rank, awaitable=True).get()
        text, rows = stats()
        about(rows["migrating out"][EM], 2 * BUSY, "packing what has moved twice from here")
        equal(rows["migrating out"][CALLS], 2.0, "twice")
        text, rows = mover[0].stats(ret=True).get()
        about(rows["migrating out"][EM], BUSY, "and once from there")
    charm.thisProxy[ranks - 1].printStats(awaitable=True).get()
    finish(24)


# 26 the hooks of the tracer; AssertionError before the start
# User events of the tracer: accepted, with numbers of their own.
first = charm.lib.traceRegisterUserEvent("first")
check(charm.lib.traceRegisterUserEvent("second") != first, "another number")
equal(charm.lib.traceRegisterUserEvent("third", 77), 77)
equal(charm.lib.traceRegisterUserEvent("fourth"), 78)
charm.lib.traceBeginUserBracketEvent(first)
charm.lib.traceEndUserBracketEvent(first)
raises(AssertionError, charm.printStats, text="charm.start()")
Reducer.addReducer(slow)
charm.options.profiling = ON
charm.start(main)

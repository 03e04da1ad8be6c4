# SPDX-License-Identifier: Apache-2.0
"""What load balancing of a running job knows and when it acts: who talks to whom, loads that the program gives, predictions, periods.

Arguments: the case, then the runtime's flags.
"""

import json
import os
import sys
import time

import c4py._c4py as runtime
import c4py.balance
from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro
from checks import check, equal, finish

CASE = sys.argv[1]
#: Bytes of a message besides the long argument, at most: other arguments, how they are encoded, a share in opening the channel.
AROUND = 128
SIZE, TIMES = 4000, 5
rounds = []
views = []


class Talker(Chare):
    """Odd ones are light and talk to the heavy one after them, which at first is on the next rank."""

    def __init__(self, count, steps, done):
        self.count, self.steps, self.done = count, steps, done
        self.step = 0
        self.heard = 0
        self.me = self.thisIndex[0]
        self.partner = (self.me + 1) % count if self.me % 2 else (self.me - 1) % count
        self.channel = Channel(self, self.thisProxy[self.partner])

    @coro
    def resumeFromSync(self):
        self.setObjTime(0.01 if self.me % 2 else 1.0)
        if self.me % 2:
            for _ in range(TIMES):
                self.thisProxy[self.partner].hear(bytes(SIZE), self.step)
                self.channel.send(bytes(SIZE))
        else:
            for _ in range(TIMES):
                data = self.channel.recv()
                self.heard += len(data)
        self.step += 1
        if self.step < self.steps:
            self.thisProxy[self.me].wait_for_others()
        else:
            self.reduce(self.done, (charm.myPe(), self.heard), Reducer.gather)

    def wait_for_others(self):
        self.AtSync()

    def hear(self, data, step):
        self.heard += len(data)


class Worker(Chare):
    """Works for a time of its own in each step."""

    def __init__(self, steps, seconds, done):
        self.steps, self.seconds, self.done = steps, seconds, done
        self.step = 0

    def resumeFromSync(self):
        until = time.thread_time() + self.seconds[self.step % len(self.seconds)](self.thisIndex[0])
        while time.thread_time() < until:
            pass
        self.step += 1
        if self.step < self.steps:
            self.AtSync()
        else:
            self.reduce(self.done)


def keep(view):
    """A strategy that moves nothing, and keeps what it was shown."""
    views.append(view)
    return view.rank


def talk(p):
    steps = 4
    done = Future()
    Array(Talker, 2 * p, args=[2 * p, steps, done], useAtSync=True).resumeFromSync()
    result = done.get()
    equal([heard for _, heard in result], [2 * steps * TIMES * SIZE, 0] * p, "all was heard")
    for i in range(1, 2 * p, 2):
        equal(result[i][0], result[(i + 1) % (2 * p)][0], "talkers are together")
    least = p * 2 * TIMES * SIZE
    first = rounds[0]["worth"]
    check(least <= first["cut_before"] <= least + p * 2 * TIMES * AROUND, first["cut_before"])
    equal((first["cut_after"], first["moved"]), (0, p), "who is light comes")
    equal([r["worth"]["cut_before"] for r in rounds[1:]], [0] * (steps - 2), "nothing goes far")
    with open(os.environ["C4PY_BALANCE_RECORD"], encoding="utf-8") as file:
        lines = file.readlines()
    for view in [record.view() for record in c4py.balance.read(lines)]:
        check(view.edge_bytes.sum() >= 2 * least, "the record has them, also on one rank")
        check(view.edge_bytes.sum() <= 2 * (least + p * 2 * TIMES * AROUND), "no more")
        light = view.coords[:, 0] % 2 == 1
        check((view.messages[light] >= 2 * TIMES).all(), f"{view.messages}")
        equal(sorted(set(view.load)), [0.01, 1.0], "as given")
    cut = c4py.balance.judge(view, [i // 2 for i in range(2 * p)])["cut_before"]
    equal(cut, 0, "offline, too")
    check(any("edges" in json.loads(line) for line in lines))


def work(p, seconds, steps):
    done = Future()
    Array(Worker, 4 * p, args=[steps, seconds, done], useAtSync=True).resumeFromSync()
    done.get()


def predict(p):
    """4 ms and 12 ms in turn: the mean of two is 8 ms from the second round on."""
    work(p, [lambda i: 0.004, lambda i: 0.012], 4)
    loads = [float(view.load.mean()) for view in views]
    check(0.003 < loads[0] < 0.006, loads)
    check(all(0.007 < load < 0.0095 for load in loads[1:]), loads)


def automatic(p):
    """The first ranks have the work until the first round spreads it; there is nothing to do then."""
    work(p, [lambda i: 0.008 if i < 4 else 0.0005], 24)
    equal((rounds[0]["points"], rounds[0]["skipped"]), (1, False), "at once")
    first = rounds[0]["worth"]
    check(first["max_before"] > 1.2 * first["mean"], f"uneven at first: {first}")
    check(len(rounds) < 12, f"{len(rounds)} rounds at 23 points")


def periodic(p):
    work(p, [lambda i: 0.0001], 10)
    equal([r["points"] for r in rounds], [4, 4], "at 4 and 8 of 9")


def seconds(p):
    work(p, [lambda i: 0.0001], 4)
    equal([r["points"] for r in rounds], [1, 1, 1], "at each point")


class Alike(Chare):
    """Says that all of them have the same to do."""

    def __init__(self, done):
        self.done = done
        self.places = []

    def resumeFromSync(self):
        self.places.append(charm.myPe())
        self.setObjTime(1.0)
        if len(self.places) < 3:
            self.AtSync()
        else:
            self.reduce(self.done, self.places, Reducer.gather)


def speeds(p):
    """Even ranks are three times as fast: six of eight come there. The record says so, too."""
    done = Future()
    Array(Alike, 4 * p, args=[done], useAtSync=True).resumeFromSync()
    last = [places[-1] for places in done.get()]
    equal([last.count(pe) for pe in range(p)], [6, 2] * (p // 2), "as they are fast")
    worth = rounds[0]["worth"]
    equal([round(worth[key], 2) for key in ("max_before", "max_after", "mean")], [4, 2, 2])
    check(rounds[0]["point_s"] > 0 and rounds[0]["expected_s"] >= 0, rounds[0])
    with open(os.environ["C4PY_BALANCE_RECORD"], encoding="utf-8") as file:
        view = [record.view() for record in c4py.balance.read(file.readlines())][0]
    equal(view.speed.tolist(), [3.0, 1.0] * (p // 2))
    after = c4py.balance.judge(view, c4py.balance.run("greedy", view))["max_after"]
    equal(round(after, 2), 2.0, "offline")


class Refused(Chare):
    def resumeFromSync(self):
        pass

    def try_loads(self, done):
        texts = []
        for load in (-1, float("nan"), "much"):
            try:
                self.setObjTime(load)
            except (TypeError, ValueError) as error:
                texts.append(f"{type(error).__name__}: {error}")
        self.reduce(done, texts, Reducer.gather)


def refused(p):
    done = Future()
    Array(Refused, 1, useAtSync=True).try_loads(done)
    (texts,) = done.get()
    text = "ValueError: setObjTime(): a load is a number of seconds, 0 or more, not "
    equal(texts[:2], [text + "-1", text + "nan"])
    check(texts[2].startswith("TypeError"), texts[2])


def main(args):
    runtime.lb_on_round(rounds.append)
    cases = [talk, predict, automatic, periodic, seconds, speeds, refused]
    {case.__name__: case for case in cases}[CASE](charm.numPes())
    finish(1)


charm.options.quiet = True
charm.options.balancer = {
    "talk": "comm-refine",
    "automatic": "greedy-refine",
    "speeds": "greedy",
}.get(CASE, keep)
if CASE == "predict":
    charm.options.balance_predictor = "mean:2"
if CASE == "automatic":
    charm.options.balance_period = "auto"
if CASE == "speeds":
    charm.options.balance_speed = [3, 1][
        int(os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ["PMI_RANK"]) % 2
    ]
if CASE == "speed":
    charm.options.balance_speed = "fast"
charm.start(main)

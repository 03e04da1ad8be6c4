"""What the programs of this folder have in common: arguments, work in periods with load balancing between them, a record."""

import argparse
import hashlib
import json
import math
import sys
import time

import numpy as np

from charm4py import Chare, charm

rounds = []  # what load balancing reports, on rank 0


def from_fullest_to_emptiest(view):
    """The programs' own strategy: while it helps, the heaviest object that fits goes from the busiest rank to the idlest."""
    plan = view.rank.copy()
    time = view.times(plan)
    for _ in range(view.num_objects):
        full, empty = time.argmax(), time.argmin()
        here = np.flatnonzero(plan == full)
        fits = here[view.load[here] < (time[full] - time[empty]) / 2]
        if time[full] < 1.02 * time.mean() or len(fits) == 0:
            break
        heaviest = fits[view.load[fits].argmax()]
        plan[heaviest] = empty
        time[full] -= view.load[heaviest]
        time[empty] += view.load[heaviest]
    return plan


class Worker(Chare):
    """Works in periods. A subclass has a coroutine advance(steps, done), which ends with self.end_period(done, seconds)."""

    def end_period(self, done, seconds):
        """seconds: what the work of this period is worth, for load balancing in place of what was measured; None: measured."""
        self.done = done
        if seconds is not None:
            self.setObjTime(seconds)
        self.AtSync()

    def resumeFromSync(self):
        self.reduce(self.done)


def arguments(program, text):
    """A parser; also chooses the strategy, which has to be known on every rank before charm.start()."""
    parser = argparse.ArgumentParser(prog=program, description=text)
    parser.add_argument("--steps", type=positive, default=60)
    parser.add_argument(
        "--period", type=positive, default=4, help="steps between two rounds of load balancing"
    )
    parser.add_argument(
        "--strategy",
        default="none",
        help="'own': that of this program, or the name of a built-in one",
    )
    parser.add_argument(
        "--counted",
        action="store_true",
        help="let the program say how much work each object had, instead of measuring time",
    )
    parser.add_argument("--record", metavar="FILE", help="write a line of JSON for each period")
    parser.add_argument("--check", action="store_true", help="compare with a serial run")
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--strategy", nargs="?", default="none")
    strategy = early.parse_known_args(sys.argv[1:])[0].strategy
    charm.options.balancer = from_fullest_to_emptiest if strategy == "own" else strategy
    charm.options.on_balance = rounds.append
    return parser


def positive(text):
    """The value of an argument that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def run(workers, options):
    """All periods, with some twenty lines on the terminal, and one in the record for each."""
    record = opened(options.record) if options.record else None
    periods = -(-options.steps // options.period)
    every = -(-periods // 20)
    for number in range(1, periods + 1):
        made = (number - 1) * options.period
        line = one_period(workers, made, min(options.period, options.steps - made))
        if number % every == 0 or number == periods:
            print(text_of(line), flush=True)
        if record:
            print(json.dumps(line), file=record, flush=True)
    if record:
        record.close()


def opened(path):
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        sys.exit(f"{path} cannot be written: {error.strerror}")


def one_period(workers, made, steps):
    """Some steps and the round of load balancing after them; how long a step took, and what the round found."""
    start = time.perf_counter()
    done = charm.Future()
    workers.advance(steps, done)
    done.get()
    seconds = (time.perf_counter() - start) / steps
    line = {"step": made + steps, "steps": steps, "seconds_per_step": seconds}
    if rounds:
        round = rounds.pop()
        worth = round["worth"]
        line["strategy"] = round["strategy"]
        line["max"] = worth["max_before"]
        line["mean"] = worth["mean"]
        line["moved"] = 0 if round["skipped"] else worth["moved"] - round["refused"]
        line["round_seconds"] = round["seconds"]
    return line


def text_of(line):
    text = f"step {line['step']:4d}: {line['seconds_per_step'] * 1e3:7.2f} ms a step"
    if "mean" in line:
        imbalance = line["max"] / (line["mean"] or 1.0)
        text += f", max/avg of the ranks' loads {imbalance:.2f}, {line['moved']} moved"
    return text


def show(values, same):
    """The result: a checksum of an array, its sum, and whether it is that of a serial run (None: not compared)."""
    print(f"sha256 {hashlib.sha256(values.tobytes()).hexdigest()}")
    print(f"sum {math.fsum(values.ravel())!r}")
    if same is not None:
        print("equal to a serial run, bit for bit" if same else "differs from a serial run")

# SPDX-License-Identifier: Apache-2.0
"""Thousands of hostile byte strings against the server of a job that computes meanwhile: the job must not notice.

Usage: ccs_fuzz.py [NUMBER] [SEED]
"""

import os
import random
import resource
import struct
import subprocess
import sys

from ccs_client import ask, outside
from charm4py import Chare, Group, Reducer, charm
from checks import check, equal, finish

sys.argv += ["++server", "++server-limit", "4096", "++quiet"]


class Worker(Chare):
    def __init__(self):
        charm.CcsRegisterHandler("echo", charm.CcsSendReply)
        charm.CcsRegisterHandler("parse", self.parse)
        charm.CcsRegisterHandler("keep", self.keep)
        self.parsed = 0

    def parse(self, data):
        """Fails for most data, as a program's handler may."""
        struct.unpack("!4i", data)
        self.parsed += 1

    def keep(self, data):
        """Never answers."""
        charm.CcsDelayReply()

    def step(self, n, done):
        self.reduce(done, n + charm.myPe(), Reducer.sum)


def compute(worker, address, number, seed):
    """The job's own work while the attack is on: every reduction must come out right."""
    ranks = charm.numPes()
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ccs_attack.py")
    words = (sys.executable, script, *address, number, seed, ranks)
    attacker = subprocess.Popen([str(word) for word in words])
    steps = right = 0
    while attacker.poll() is None:
        done = charm.Future()
        worker.step(steps, done)
        right += done.get() == ranks * steps + ranks * (ranks - 1) // 2
        steps += 1
        if steps % 50 == 0:
            charm.sleep(0.001)
    equal(attacker.returncode, 0, "the attacker got through")
    return steps, right


def served():
    """A good client gets through, at the latest when the half-open ones have been closed."""
    while True:
        answer = ask(b"echo", b"still here", charm.numPes() - 1)
        if answer is not None:
            return answer


def main(args):
    number = int(args[1]) if len(args) > 1 else 3000
    seed = int(args[2]) if len(args) > 2 else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    worker = Group(Worker)
    charm.awaitCreation(worker)
    equal(outside(ask, b"echo", b"before"), b"before")
    files = len(os.listdir("/proc/self/fd"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps, right = compute(worker, charm.CcsServerAddress(), number, seed)
    check(steps > 0, "the job went on")
    equal(right, steps, "reductions that came out right")
    equal(outside(served), b"still here", "a good client after all these")
    charm.waitQD()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    check(grown < 8 * 1024, f"memory has grown by {grown} KiB")
    more = len(os.listdir("/proc/self/fd")) - files
    check(more <= 32, f"{more} more open files than before")
    finish(7)


charm.start(main)

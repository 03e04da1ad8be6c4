# SPDX-License-Identifier: Apache-2.0
"""How even the ranks are in the programs of examples/balancing: not at all without balancing, within 10 % after two rounds at
most with it.

Usage: evenness.py LAUNCHER MPIEXEC PROGRAM ("hotspot" or "clusters"). Runs in an ordinary Python.

The programs count their work here, because measured times are only as even as the machine: on virtual ones the same
work takes twice the processor time for whiles, when a neighbour is busy. With measured times the tests ask only that most of
the unevenness goes; docs/load-balancing.md shows what a quiet machine gives.
"""

import json
import os
import subprocess
import sys
import tempfile

LAUNCHER, MPIEXEC, PROGRAM = sys.argv[1:]
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIMIT = 1.1


def environment():
    """As in tests/support/run.py, of which a part is used here."""
    sys.path.insert(0, os.path.join(SOURCES, "tests", "support"))
    from run import mpi_env

    return mpi_env(os.environ)


def rounds(ranks, strategy, *more):
    """max/avg of the ranks' loads in each of three rounds."""
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "record.jsonl")
        program = os.path.join(SOURCES, "examples", "balancing", f"{PROGRAM}.py")
        words = [MPIEXEC, "-n", str(ranks), LAUNCHER, "--quiet", program]
        words += [
            "--steps",
            "9",
            "--period",
            "3",
            "--strategy",
            strategy,
            "--record",
            record,
            *more,
        ]
        subprocess.run(words, env=environment(), check=True, timeout=100)
        with open(record, encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
    return [line["max"] / line["mean"] for line in found]


def main():
    wrong = []

    def judge(truth, what, found):
        print(f"{'ok   ' if truth else 'WRONG'} {what}: {', '.join(f'{x:.2f}' for x in found)}")
        if not truth:
            wrong.append(what)

    for ranks, least in ((2, 1.6), (4, 2.0)):
        found = rounds(ranks, "none", "--counted")
        judge(min(found) > least, f"{ranks} ranks, not balanced, > {least}", found)
    for strategy in ("greedy-refine", "diffusion", "own"):
        found = rounds(4, strategy, "--counted")
        judge(found[0] > 2.0, f"4 ranks, {strategy}, > 2 in the first round", found)
        judge(min(found[1:3]) < LIMIT, f"4 ranks, {strategy}, < {LIMIT} within two", found)
    found = rounds(4, "greedy-refine")
    judge(min(found[1:3]) < 0.6 * found[0], "4 ranks, measured, much less within two", found)
    sys.exit(1 if wrong else 0)


main()

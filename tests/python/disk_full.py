# SPDX-License-Identifier: Apache-2.0
"""Checkpoints on a disk that is full: a file system of 1 MiB in a name space of mounts of its own.

Usage: disk_full.py LAUNCHER MPIEXEC. Runs in an ordinary Python, starts itself in such a name space (skipped where that is not permitted)
and there, under MPI, as a program: disk_full.py DISK KEPT, and once more to go on from the set that was there when the disk was full.
"""

import os
import shutil
import subprocess
import sys
import tempfile

FIRST = sys.argv[1]

if os.path.isfile(FIRST):
    sys.path.insert(
        1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
    )
    import run as driver

    launcher, mpiexec = sys.argv[1:3]
    env = {**driver.mpi_env(os.environ), "C4PY_QUIET": "1"}

    def run(ranks, *words):
        command = [mpiexec, "-n", str(ranks), launcher, os.path.abspath(__file__), *words]
        done = subprocess.run(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        )
        print(done.stdout)
        return done.returncode == 0 and "checks passed" in done.stdout

    if len(sys.argv) > 3:  # in the name space
        with tempfile.TemporaryDirectory() as folder:
            disk, kept = folder + "/disk", folder + "/kept"
            os.mkdir(disk)
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk],
                stderr=subprocess.PIPE,
                text=True,
            )
            if mounted.returncode:
                print(f"skipped: {mounted.stderr.strip()}")
                sys.exit(77)
            good = run(3, disk, kept) and run(2, disk, kept, "+restart", kept)
            subprocess.run(["umount", disk], check=True)
        sys.exit(not good)
    for options in ("-m", "-rm"):
        tried = subprocess.run(["unshare", options, "true"], stderr=subprocess.PIPE, text=True)
        if tried.returncode == 0:
            words = ["unshare", options, sys.executable, os.path.abspath(__file__)]
            os.execvp("unshare", [*words, launcher, mpiexec, "inside"])
    print(f"skipped: {tried.stderr.strip()}")
    sys.exit(77)

from charm4py import Array, Chare, charm, readonlies  # noqa: E402
from charm4py.charm import Charm4PyError  # noqa: E402
from checks import check, equal, finish, raises  # noqa: E402

CELLS, SIZE = 6, 50_000


class Cell(Chare):
    def __init__(self):
        self.steps = 0
        self.data = bytes(SIZE)

    def step(self):
        self.steps += 1

    def get(self):
        return self.steps


def step():
    readonlies.cells.step(awaitable=True).get()


def steps():
    return sorted(readonlies.cells[i].get(ret=True).get() for i in range(CELLS))


def main(args):
    disk, kept = args[1:]
    readonlies.cells = Array(Cell, CELLS)
    charm.awaitCreation(readonlies.cells)
    step()
    equal(charm.checkpoint(disk).get()[0], 1)
    good = sorted(os.listdir(disk))
    with open(disk + "/ballast", "wb") as file:
        file.write(bytes(500_000))
    for _ in range(2):
        step()
        error = raises(Charm4PyError, charm.checkpoint(disk).get, text="No space left on device")
        check(f"{disk}/set2.rank" in str(error), error)
        equal(sorted(os.listdir(disk)), sorted([*good, "ballast"]), "nothing is left over")
    shutil.copytree(disk, kept)
    step()
    equal(steps(), [4] * CELLS, "the run goes on")
    os.unlink(disk + "/ballast")
    equal(charm.checkpoint(disk).get()[0], 2, "there is room again")
    equal(sorted(os.listdir(disk)), [name.replace("set1", "set2") for name in good])
    finish(8)


def restarted(args):
    equal(steps(), [1] * CELLS, "the set before is whole")
    finish(1)


charm.start(main, restarted=restarted)

# SPDX-License-Identifier: Apache-2.0
"""Programs that go on from checkpoints. Runs in an ordinary Python and starts itself as a program under MPI, many times.

Usage: checkpointing.py LAUNCHER MPIEXEC [CASE]; as a program: checkpointing.py STEPS DIR EVERY.

The program is an array of cells in which sums go around, a sparse array, a single chare and a group, with numpy arrays, deques,
channels and waiting calls in their state; it prints one number at its end, which must be the same however often it was
interrupted, and on whatever number of ranks it went on.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

DRIVER = len(sys.argv) >= 3 and os.path.exists(sys.argv[1]) and os.access(sys.argv[1], os.X_OK)

if not DRIVER:
    import hashlib
    from collections import deque

    import numpy as np

    import c4py
    from charm4py import *

    CELLS = 12

    class Cell(Chare):
        native = c4py.NativeState("int64_t sums[4], int steps")

        def __init__(self):
            i = self.thisIndex[0]
            self.x = i * 7919 + 13
            self.field = np.arange(50, dtype=np.int64) * (i + 1)
            self.past = deque(maxlen=4)
            self.steps = 0
            self.got = []

        def step(self, done):
            self.x = (
                self.x * 6364136223846793005 + 1442695040888963407 + int(self.field.sum())
            ) % 2**61
            self.field = (self.field * 31 + self.x) % 10007
            self.past.append(self.x)
            self.steps += 1
            self.native["sums"][self.steps % 4] += self.x % 1009
            self.native["steps"] += 1
            self.reduce(done, self.x % 1000003, Reducer.sum)

        @when("self.steps >= n")
        def late(self, n, value):
            """Waits in the chare for two steps more."""
            self.got.append(value)

        def digest(self):
            assert self.native["steps"] == self.steps
            sums = self.native["sums"].tolist()
            return (
                self.x,
                int(self.field.sum()),
                list(self.past),
                self.steps,
                sorted(self.got),
                sums,
            )

        def is_writable(self):
            self.field[0] += 0
            return self.field.flags.writeable

    class Thing(Chare):
        def __init__(self):
            self.numbers = {"index": self.thisIndex, "all": [1, 2.5, None, "x", b"y", {3, 4}]}

        def look(self):
            return (self.numbers["index"], self.numbers["all"])

        def count(self, done, section):
            self.reduce(done, 1 + abs(self.thisIndex[0]), Reducer.sum, section)

    class Talker(Chare):
        """Takes from its channel what was sent a step ago, so that there is always something in it."""

        def __init__(self):
            self.got = []

        def open(self, other):
            self.channel = Channel(self, remote=other)

        @coro
        def give(self, value):
            self.channel.send(value)

        @coro
        def take(self):
            self.got.append(self.channel.recv())

        def look(self):
            return self.got

    class Keeper(Chare):
        """Remembers how far the program is, and knows the others."""

        def __init__(self, cells, things):
            self.cells, self.things = cells, things
            self.total = 0
            self.step = 0

        def add(self, value):
            self.total = (self.total * 31 + value) % (2**61 - 1)
            self.step += 1
            return self.step

        def where(self):
            return self.cells, self.things, self.step

        def sum(self):
            return self.total

    class PerRank(Chare):
        marks = c4py.NativeState("int origin")

        def __init__(self):
            self.origins = [charm.myPe()]
            self.marks["origin"] = charm.myPe()

        def regrouped(self, states):
            assert all(rank % charm.numPes() == charm.myPe() for rank in states), states
            assert all(states[rank]["marks"]["origin"] == rank for rank in states)
            self.marks["origin"] = charm.myPe()
            self.origins = [rank for state in states.values() for rank in state["origins"]]

        def who(self):
            return self.origins

    def go_on(cells, things, first):
        steps, folder, every = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
        for step in range(first, steps):
            done = charm.Future()
            if step % 5 == 0:
                cells.late(step + 3, step)
                # Whoever goes on from a checkpoint knows nothing of those who asked.
                cells.late(step + 3, 1000 + step, awaitable=True)
                cells[step % CELLS].late(step + 3, 2000 + step, ret=True)
            cells.step(done)
            readonlies.talkers[0].give(step, awaitable=True).get()
            if step:
                readonlies.talkers[1].take(awaitable=True).get()
            counted = charm.Future()
            readonlies.some.count(counted, readonlies.some)
            readonlies.keeper.add(done.get() + counted.get(), ret=True).get()
            if every and step % every == every - 1:
                generation, chares, size = charm.checkpoint(folder).get()
                assert chares >= CELLS + 5 + 1 and size > CELLS * 400, (chares, size)
                print(f"written {generation}", flush=True)
            if step == 20:
                print("at work", flush=True)
                while "held" in sys.argv and not charm.checkpointDue():
                    charm.sleep(0.001)
            if charm.checkpointDue():
                charm.checkpoint().get()
        digests = [cells[i].digest(ret=True).get() for i in range(CELLS)]
        assert all(cells[i].is_writable(ret=True).get() for i in range(CELLS))
        looks = [things[i * 100, -i].look(ret=True).get() for i in range(5)]
        got = readonlies.talkers[1].look(ret=True).get()
        assert got == list(range(steps - 1)), got
        text = repr((readonlies.keeper.sum(ret=True).get(), digests, looks))
        print("DIGEST", hashlib.sha256(text.encode()).hexdigest()[:16], flush=True)
        exit()

    def main(args):
        cells = Array(Cell, CELLS)
        things = Array(Thing, ndims=2)
        for i in range(5):
            things.ckInsert((i * 100, -i))
        things.ckDoneInserting()
        charm.waitQD()
        # A section with one member that is the second of its index.
        readonlies.some = charm.split(things, 1, elems=[[(i * 100, -i) for i in range(1, 5)]])[0]
        done = charm.Future()
        readonlies.some.count(done, readonlies.some)
        assert done.get() == 1004
        things[200, -2].ckDestroy()
        charm.waitQD()
        things.ckInsert((200, -2))
        charm.waitQD()
        readonlies.talkers = talkers = Array(Talker, 2)
        charm.awaitCreation(talkers)
        for i in range(2):
            talkers[i].open(talkers[1 - i], awaitable=True).get()
        readonlies.answer = 42
        readonlies.keeper = Chare(Keeper, args=[cells, things])
        readonlies.group = Group(PerRank)
        readonlies.ranks = charm.numPes()
        charm.awaitCreation(cells, readonlies.keeper, readonlies.group)
        go_on(cells, things, 0)

    def restarted(args):
        assert readonlies.answer == 42
        cells, things, step = readonlies.keeper.where(ret=True).get()
        who = readonlies.group.who(ret=True).get()
        assert len(who) == charm.numPes()
        # What each rank had is somewhere, once.
        assert sorted(sum(who, [])) == list(range(readonlies.ranks)), who
        print("goes on after step", step, flush=True)
        go_on(cells, things, step)

    class Main(Chare):
        """The same with a main chare: it is kept, and its method says how to go on."""

        def __init__(self, args):
            self.cells = Array(Cell, CELLS)
            self.sums = []
            self.run(0)

        def run(self, first):
            steps, folder, every = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
            for step in range(first, steps):
                done = charm.Future()
                self.cells.step(done)
                self.sums.append(done.get())
                if every and step % every == every - 1:
                    charm.checkpoint(folder).get()
            text = repr((self.sums, [self.cells[i].digest(ret=True).get() for i in range(CELLS)]))
            print("DIGEST", hashlib.sha256(text.encode()).hexdigest()[:16], flush=True)
            exit()

        @coro
        def restarted(self, args):
            assert charm.numPes() < 2 or self.thisProxy is not None
            self.run(len(self.sums))

    if len(sys.argv) > 4 and sys.argv[4] == "main_chare":
        charm.start(Main)
    else:
        charm.start(main, restarted=restarted)

else:
    launcher, mpiexec = sys.argv[1:3]
    ENV = dict(
        os.environ,
        OMPI_ALLOW_RUN_AS_ROOT="1",
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
        OMPI_MCA_rmaps_base_oversubscribe="1",
        C4PY_QUIET="1",
    )
    checks = 0

    def check(good, what):
        global checks
        checks += 1
        if not good:
            raise SystemExit(f"checkpointing: FAILED: {what}")

    def command(ranks, words, options=()):
        program = [launcher, *map(str, options), os.path.abspath(__file__)]
        return [mpiexec, "-n", str(ranks), *program, *map(str, words)]

    def ranks_of(job):
        """The processes of a job's ranks; hydra has a process of its own in between."""
        children = [job.pid]
        for _ in range(2):
            parents = ",".join(map(str, children))
            listed = subprocess.run(
                ["pgrep", "-l", "-P", parents], stdout=subprocess.PIPE, text=True
            )
            lines = [line.split() for line in listed.stdout.splitlines()]
            children = [int(pid) for pid, *_ in lines]
            if not any("proxy" in name for _, name, *_ in lines):
                break
        return children

    def signal_job(job, signum):
        """mpirun of Open MPI passes a signal on; hydra does not."""
        told = subprocess.run([mpiexec, "--version"], stdout=subprocess.PIPE, text=True)
        for pid in ranks_of(job) if "HYDRA" in told.stdout else [job.pid]:
            os.kill(pid, signum)

    def run(ranks, *words, options=()):
        out = subprocess.run(
            command(ranks, words, options),
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return out.returncode, out.stdout

    def digest(ranks, *words):
        status, text = run(ranks, *words)
        found = re.search(r"^DIGEST (\w+)$", text, re.M)
        check(status == 0 and found, f"{ranks} ranks, {words}: status {status}\n{text}")
        return found.group(1)

    def any_number_of_ranks(folder):
        want = digest(2, 12, folder, 0)
        check(digest(4, 7, folder, 7), "a run that writes")
        for ranks in (1, 2, 3, 4, 7):
            check(
                digest(ranks, 12, folder, 0, "+restart", folder) == want,
                f"restart on {ranks} ranks",
            )

    def killed(folder, times=4):
        """A program that is killed goes on from the last checkpoint; sooner or later it is through."""
        want = digest(2, 30, folder, 0)
        rng = random.Random(7)
        for i in range(times):
            shutil.rmtree(folder)
            os.mkdir(folder)
            job = subprocess.Popen(
                command(3, (30, folder, 2)),
                env=ENV,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            seen = 0
            for line in job.stdout:
                seen += line.startswith("written")
                if seen > rng.randrange(1, 9):
                    break
            end = time.monotonic() + rng.random() * 0.02
            while time.monotonic() < end:
                pass
            found = ranks_of(job)
            if found:
                try:
                    os.kill(rng.choice(found), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            job.communicate(timeout=60)
            if os.path.exists(os.path.join(folder, "manifest")):
                got = digest(rng.choice((1, 2, 4)), 30, folder, 3, "+restart", folder)
                check(got == want, f"killed for the {i}-th time: {got} instead of {want}")

    def killed_often(folder):
        killed(folder, 20)

    def chain(folder):
        """Runs that end with 85 when their time is over or on a signal, and one command line for all."""
        want = digest(2, 40, folder, 0)
        options = ["--checkpoint", folder + "/c", "--every", "1h", "--restart", "auto"]
        statuses = []
        # The first two are over before their first step; the third may be, and the last has all the time that it needs.
        for more in (["--walltime", "0.001s"],) * 2 + (["--walltime", "0.3s"], []):
            status, text = run(len(statuses) % 2 + 2, 40, folder, 0, options=options + more)
            statuses.append(status)
            if status == 0:
                break
        check(statuses[:2] == [85, 85] and statuses[2:] in ([0], [85, 0]), f"{statuses}\n{text}")
        check(f"DIGEST {want}" in text, text)
        shutil.rmtree(folder + "/c")

        options = ["--checkpoint", folder + "/c", "--restart=auto"]
        job = subprocess.Popen(
            command(2, (40, folder, 0, "held"), options),
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in job.stdout:
            if line.startswith("at work"):
                signal_job(job, signal.SIGUSR2)
                break
        text = job.communicate(timeout=60)[0]
        check(job.returncode == 85 and "DIGEST" not in text, f"signal: {job.returncode}\n{text}")
        check(digest(3, 40, folder, 0, "+restart", folder + "/c") == want, "after the signal")
        for bad, words in (
            (["--walltime=1m"], "need a directory"),
            (
                ["--checkpoint", folder, "--every=soon"],
                "C4PY_EVERY=soon: write a time as 90s, 10m or 1h30m",
            ),
            (["--restart", "auto"], "needs the directory"),
        ):
            status, text = run(1, 5, folder, 0, options=bad)
            check(status == 2 and words in text, f"{bad}: {status}\n{text}")

    def by_method(folder):
        want = digest(2, 9, folder, 0, "main_chare")
        digest(3, 5, folder, 5, "main_chare")
        for ranks in (1, 2, 4):
            check(
                digest(ranks, 9, folder, 0, "main_chare", "+restart", folder) == want,
                f"on {ranks} ranks",
            )

    def refused(folder):
        status, text = run(2, 5, folder, 0, "+restart", folder)
        check(status == 66 and "manifest: No such file" in text, f"no checkpoint: {status}\n{text}")
        check(digest(2, 5, folder, 5), "a run that writes")
        name = os.path.join(folder, "set1.rank1")
        with open(name, "r+b") as f:
            f.seek(200)
            byte = f.read(1)
            f.seek(200)
            f.write(bytes([byte[0] ^ 1]))
        status, text = run(2, 5, folder, 0, "+restart", folder)
        check(
            status == 65 and "set1.rank1: is damaged" in text, f"a damaged file: {status}\n{text}"
        )
        check("Traceback" not in text, text)
        with open(name, "r+b") as f:
            f.seek(200)
            f.write(byte)
        check("DIGEST" in run(2, 5, folder, 0, "+restart", folder)[1], "as it was")
        shutil.copytree(folder, folder + "/copy")
        os.chmod(folder + "/copy/manifest", 0o666)
        status, text = run(2, 5, folder, 0, "+restart", folder + "/copy")
        check(
            status == 65 and "that nobody else may write to" in text,
            f"permissions: {status}\n{text}",
        )

    def sealed(folder):
        """With a key only what was written with it is read."""
        for name, mode in (("key", 0o600), ("other", 0o600), ("seen", 0o644)):
            with open(f"{folder}/{name}", "wb") as f:
                f.write(os.urandom(32))
            os.chmod(f"{folder}/{name}", mode)

        def key(name):
            return ["--checkpoint-key", f"{folder}/{name}"]

        places = {"sealed": key("key"), "open": []}
        for place, options in places.items():
            status, text = run(2, 7, f"{folder}/{place}", 7, options=options)
            check(status == 0 and "written 1" in text, text)
        for place, options, status, words in (
            ("sealed", key("key"), 0, "DIGEST"),
            ("sealed", [], 65, "sealed/manifest: was written with a key; give that key"),
            (
                "sealed",
                key("other"),
                65,
                "sealed/manifest: was written with another key, or changed",
            ),
            ("open", key("key"), 65, "open/manifest: was written without a key"),
            ("open", [], 0, "DIGEST"),
            ("sealed", key("seen"), 65, "that nobody else may read"),
            ("sealed", key("none"), 66, "none: No such file"),
        ):
            words_after = (12, folder, 0, "+restart", f"{folder}/{place}")
            got, text = run(3, *words_after, options=options)
            check(got == status and words in text, f"{place} {options}: {got}\n{text}")
            check("Traceback" not in text, text)

    CASES = {
        f.__name__: f
        for f in (any_number_of_ranks, killed, killed_often, refused, by_method, chain, sealed)
    }
    for name in sys.argv[3:] or CASES:
        with tempfile.TemporaryDirectory() as folder:
            CASES[name](folder)
    print(f"{checks} checks passed")

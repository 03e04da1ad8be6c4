# SPDX-License-Identifier: Apache-2.0
"""A job whose number of ranks changes while it runs. Runs in an ordinary Python and starts itself as a program.

Usage: resizing.py FOLDER-OF-THE-PACKAGE; as a program: resizing.py PLAN, the numbers of ranks of the runs with commas between: each
but the last waits in its middle until it is asked to make place. ``-`` waits for nothing.
"""

import os
import sys

DRIVER = len(sys.argv) == 2 and os.path.isdir(sys.argv[1])

if not DRIVER:
    from charm4py import Array, Chare, Group, Reducer, charm, readonlies

    STEPS = 30

    class Cell(Chare):
        def __init__(self):
            self.x = self.thisIndex[0] * 7919 + 13

        def step(self, done):
            self.x = (self.x * 6364136223846793005 + 1442695040888963407) % 2**61
            self.reduce(done, self.x % 1000003, Reducer.sum)

    class Keeper(Chare):
        def __init__(self):
            self.sums = []
            self.ranks = [charm.numPes()]

        def add(self, value):
            self.sums.append(value)

        def begins(self, ranks):
            self.ranks.append(ranks)
            return len(self.sums), len(self.ranks)

        def look(self):
            return self.sums, self.ranks

    def go_on(first, run):
        plan = sys.argv[1].split(",")
        for step in range(first, STEPS):
            done = charm.Future()
            readonlies.cells.step(done)
            readonlies.keeper[0].add(done.get(), awaitable=True).get()
            if step == 9 * run and run < len(plan):
                print(f"run {run} waits on {charm.numPes()} ranks", flush=True)
                while not charm.checkpointDue():
                    charm.sleep(0.01)
            if charm.checkpointDue():
                charm.checkpoint().get()
        print("RESULT", readonlies.keeper[0].look(ret=True).get(), flush=True)
        charm.exit(3)

    def main(args):
        readonlies.cells = Array(Cell, 13)
        readonlies.keeper = Group(Keeper)
        charm.awaitCreation(readonlies.cells, readonlies.keeper)
        go_on(0, 1)

    def restarted(args):
        first, run = readonlies.keeper[0].begins(charm.numPes(), ret=True).get()
        go_on(first, run)

    charm.start(main, restarted=restarted)

else:
    import re
    import signal
    import subprocess
    import tempfile
    import time

    package = os.path.abspath(sys.argv[1])
    sys.path.insert(
        1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
    )
    import run as driver

    ENV = {**driver.mpi_env(os.environ), "PYTHONPATH": package, "C4PY_QUIET": "1"}
    checks = 0

    def check(truth, what):
        global checks
        checks += 1
        if not truth:
            sys.exit(f"FAILED: {what}")

    def python(*words):
        return [sys.executable, "-m", *map(str, words)]

    def begin(*words, **options):
        return subprocess.Popen(
            python(*words),
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def done(*words, status=0, has=""):
        out = subprocess.run(
            python(*words),
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        told = f"{words}: {out.returncode} instead of {status}\n{out.stdout}\nexpected: {has}"
        check(out.returncode == status and has in out.stdout, told)
        check("Traceback" not in out.stdout, told)
        return out.stdout

    def until(job, text):
        for line in job.stdout:
            if text in line:
                return
        sys.exit(f"FAILED: the job ended without '{text}'")

    def started(folder, plan, **options):
        job = begin("c4py.run", "-n", 2, "--checkpoint", folder, __file__, plan, **options)
        until(job, "run 1 waits on 2 ranks")
        return job

    def descendants(pid):
        found = subprocess.run(["ps", "-eo", "pid=,ppid="], stdout=subprocess.PIPE, text=True)
        parents = dict(map(int, line.split()) for line in found.stdout.splitlines())
        family = {pid}
        while more := {child for child, parent in parents.items() if parent in family} - family:
            family |= more
        return family - {pid}

    def gone(pids):
        end = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids) and time.monotonic() < end:
            pass
        check(
            not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), "something is left running"
        )

    def grows_and_shrinks(folder):
        """2 -> 4 -> 1 ranks; the result is that of a job that was left alone."""
        text = done("charmrun.start", "+p3", __file__, "-", status=3)
        want = re.search(r"RESULT \((\[.*?\])", text).group(1)
        job = started(folder, "2,4,1")
        done("c4py.resize", 2, folder, has="the job has 2 ranks already")
        done("c4py.resize", 4, folder, has="the job goes on on 4 ranks")
        until(job, "run 2 waits on 4 ranks")
        done("c4py.run", "-n", 1, "--checkpoint", folder, "x.py", status=1, has="another job runs")
        done("c4py.resize", 1, folder, has="the job goes on on 1 ranks")
        text = job.communicate(timeout=60)[0]
        check(job.returncode == 3, f"{job.returncode}\n{text}")
        check(f"RESULT ({want}, [2, 4, 1])" in text, f"{text}\ninstead of {want}")
        names = sorted(os.listdir(folder))
        check(names == ["lock", "manifest", *(f"set2.rank{i}" for i in range(4))], names)
        done("c4py.resize", 2, folder, status=66, has="no job runs with")

    def withdrawn(folder):
        """What cannot be in time is as if it had not been asked."""
        job = begin("c4py.run", "-n", 2, "--checkpoint", folder, "-c", BUSY)
        until(job, "busy")
        done("c4py.resize", 3, folder, "--timeout", 0.2, status=1, has="no safe point within 0.2 s")
        check("resize" not in os.listdir(folder), "the request is withdrawn")
        other = begin("c4py.resize", 3, folder)
        until(other, "waiting for the next safe point")
        done("c4py.resize", 4, folder, status=1, has="another request waits")
        other.send_signal(signal.SIGINT)
        check(other.wait(20) == 130, "an interrupted request")
        check("resize" not in os.listdir(folder), "the request is withdrawn")
        other = begin("c4py.resize", 3, folder)
        until(other, "waiting for the next safe point")
        ranks = descendants(job.pid)
        job.terminate()
        text = other.communicate(timeout=60)[0]
        check(other.returncode == 1 and "the job has ended before, with status" in text, text)
        job.communicate(timeout=60)
        check(job.returncode > 0, job.returncode)
        gone(ranks)
        check(os.listdir(folder) == [], os.listdir(folder))

    BUSY = """
from charm4py import charm
def main(args):
    print('busy', flush=True)
    while True:
        charm.sleep(0.01)
charm.start(main)
"""

    def interrupted(folder):
        """Ctrl-C, which a terminal sends to the whole group, ends all; so does the death of the supervisor."""
        job = started(folder, "2,2", start_new_session=True)
        ranks = descendants(job.pid)
        check(len(ranks) >= 3, ranks)
        os.killpg(job.pid, signal.SIGINT)
        job.communicate(timeout=60)
        check(job.returncode == 130, job.returncode)
        gone(ranks)
        job = started(folder, "2,2")
        ranks = descendants(job.pid)
        job.kill()
        job.communicate(timeout=60)
        gone(ranks)
        done("c4py.resize", 1, folder, status=66, has="no job runs with")
        job = started(folder, "2,1")
        done("c4py.resize", 1, folder, has="the job goes on on 1 ranks")
        job.communicate(timeout=60)
        check(job.returncode == 3, job.returncode)

    def wrong_words(folder):
        for words, status, has in (
            ((), 2, "-n needs the number of ranks, 1 or more, not ''; usage:"),
            (("-n", 0, "--checkpoint", folder, "x.py"), 2, "not '0'"),
            (("-n", "two", "--checkpoint", folder, "x.py"), 2, "not 'two'"),
            (("-n", 2, "x.py"), 2, "where shall the checkpoints be?"),
            (("-n", 2, "--checkpoint", folder), 2, "no program given"),
            (
                ("-n", 2, "--checkpoint", folder, "--restart", "x", "x.py"),
                2,
                "leave other words away",
            ),
            (("-n", 2, "--checkpoint", "/dev/null/x", "x.py"), 73, "/dev/null/x: Not a directory"),
            (("-n", 1, "--checkpoint", folder, "x.py"), 66, "cannot read the program 'x.py'"),
        ):
            done("c4py.run", *words, status=status, has=has)
        for words, status, has in (
            ((0, folder), 2, "RANKS must be 1 or more, not 0"),
            (("x", folder), 2, "invalid int value: 'x'"),
            ((2, folder), 66, "no job runs with"),
            ((2, folder + "/none"), 66, "no job runs with"),
            ((2, __file__), 66, "no job runs with"),
        ):
            done("c4py.resize", *words, status=status, has=has)

    for case in (grows_and_shrinks, withdrawn, interrupted, wrong_words):
        with tempfile.TemporaryDirectory() as folder:
            case(folder)
            print(case.__name__, flush=True)
    print(f"{checks} checks passed")

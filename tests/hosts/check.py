#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs over three hosts, which are namespaces of this machine.

check.py --build DIR short           LeanMD and a storm of messages, one rank on each host
check.py --build DIR leanmd          reference energies from C and Python, two ranks on each; the same bits as on one host
check.py --build DIR late            LeanMD and the storm, with 1 ms of added latency
check.py --build DIR pools           ranks of one host share memory, those of others do not
check.py --build DIR cut             a host is cut off: the job ends, and goes on without it
check.py --build DIR supervised_cut  the same in Python, by c4py.run
check.py --build DIR told            a host is cut off, and c4py.run is told to end before anybody has noticed
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from hosts import SCRATCH, Hosts, enter, wait_until  # noqa: E402

from run import mpi_env  # noqa: E402

RUN_S = 200  # the longest run
LIMIT_S = 10  # from the loss of a host to the end of the job
SMALL = ["3", "3", "3", "10", "--away", "1,1,1", "--ordered"]
LONG = ["4", "3", "3", "300", "--away", "1,1,1", "--particles", "60,100", "--ordered", "--energies", "100"]  # fmt: skip


def same(what, found, wanted):
    if found != wanted:
        sys.exit(f"FAILED: {what}: {found!r} instead of {wanted!r}")
    print(f"{what}: {wanted if len(str(wanted)) < 40 else 'the same'}", flush=True)


def right(what, is_so):
    same(what, bool(is_so), True)


def text_of(job):
    """What it has printed."""
    job.output.seek(0)
    return job.output.read()


class Bench:
    """Three hosts and what runs on them."""

    def __init__(self, args, late=False):
        self.build, self.python = args.build, args.python
        switch = os.path.join(args.build, "tests", "hosts_switch")
        self.hosts = Hosts(3, switch if late else None)
        # Many ranks share the cores of one machine, and do not know it.
        quiet = {"C4PY_IDLE": "yield", "C4PY_QUIET": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
        self.env = {**mpi_env(os.environ), **quiet}
        paths = (self.path("python"), self.path("bench", "leanmd"))
        self.env["PYTHONPATH"] = os.pathsep.join(paths)
        self.env["C4PY_LAUNCHER"] = os.path.join(self.build, "bin", "c4py_launcher")

    def path(self, *names):
        return os.path.join(self.build, *names)

    def start(self, *words, slots=2, names=None, **env):
        """A command on the first host."""
        environment = self.hosts.environment({**self.env, **env}, slots, names)
        if "c4py.run" not in words:  # which does it itself
            passed = [name for name in environment if name.startswith(("C4PY_", "PYTHONPATH"))]
            environment["OMPI_MCA_mca_base_env_list"] = ";".join(passed)
        output = tempfile.TemporaryFile("w+")  # not a pipe, which whoever is left would keep open
        job = self.hosts.start("h1", words, env=environment, stdout=output, stderr=subprocess.STDOUT)  # fmt: skip
        job.output = output
        return job

    def run(self, *words, **options):
        """Its output; it must succeed."""
        job = self.start(*words, **options)
        try:
            ended = f"ended with {job.wait(RUN_S)}"
        except subprocess.TimeoutExpired:
            ended = f"goes on after {RUN_S} s"
        if job.returncode != 0:
            sys.exit(f"FAILED: {' '.join(map(str, words))} {ended}\n{text_of(job)}")
        return text_of(job)

    def mpirun(self, ranks, *words, **options):
        return self.run("mpirun", "-n", ranks, *words, **options)

    def leanmd(self, python=False):
        """The command without mpirun."""
        if not python:
            return [self.path("bench", "leanmd", "leanmd")]
        return [self.path("bin", "c4py_launcher"), os.path.join(TOP, "bench", "leanmd", "leanmd.py")]  # fmt: skip

    def storm(self, messages):
        words = ("messages_find_chares_that_move", "--", messages)
        output = self.mpirun(6, self.path("tests", "mpi_rt_storm"), *words)
        right(f"{messages} messages between chares that move arrive", f"{messages} messages, " in output)  # fmt: skip


def record(output):
    return json.loads([line for line in output.splitlines() if line.startswith("{")][-1])


# ---- what runs ------------------------------------------------------------------------------------


def small(bench, ranks, slots, names=None):
    """The record of a short run of LeanMD."""
    words = [*bench.leanmd(), *SMALL, "--record", "-"]
    return record(bench.mpirun(ranks, *words, slots=slots, names=names))


def short(bench):
    one = small(bench, 3, 3, ["h1"])
    all_hosts = small(bench, 3, 1)
    same("hosts that the runtime sees", (one["hosts"], all_hosts["hosts"]), (1, 3))
    same("energies on three hosts and on one", all_hosts["energies"], one["energies"])
    bench.storm(2000)


def check_energies(bench, *words):
    """bench/leanmd/check.py with its mpirun spanning the hosts."""
    program = os.path.join(TOP, "bench", "leanmd", "check.py")
    output = bench.run(sys.executable, program, "--build", bench.build, "--mpiexec", "mpirun", *words)  # fmt: skip
    print(" ".join(words) + ":", output.splitlines()[-1], flush=True)


def leanmd(bench):
    check_energies(bench, "parallel", "--np", "6", "--quick")
    if bench.python:
        check_energies(bench, "parallel", "--np", "5", "--quick", "--python")
        check_energies(bench, "same", "--np", "6")
    short(bench)
    bench.storm(100000)


def late(bench):
    plain = small(bench, 6, 2)
    bench.hosts.set_delay(1e-3)
    round_trip = bench.hosts.measure_link()["round_trip_us"]
    right(f"a round trip takes 2 ms and little more ({round_trip} us)", 2000 <= round_trip < 4000)
    same("energies with latency", small(bench, 6, 2)["energies"], plain["energies"])
    bench.storm(20000)


def pools(bench):
    program = [bench.path("bin", "c4py_launcher"), os.path.join(HERE, "pools.py")]
    carried = {}
    for to in ("near", "far"):
        before = bench.hosts.sent("h1")
        told = re.findall(r"rank (\d+) (\w+) (\d+) (\d+)", bench.mpirun(6, *program, to))
        carried[to] = (bench.hosts.sent("h1") - before) >> 20
        wanted = [(str(r), f"h{r // 2 + 1}", str(r // 2), "2") for r in range(6)]
        same("rank, its host by name and by number, pools that it has mapped", told, wanted)
    right(f"64 MiB to a rank of the same host stay there ({carried['near']} MiB left it)", carried["near"] < 8)  # fmt: skip
    right(f"and to one of another host do not ({carried['far']} MiB)", 64 <= carried["far"] < 80)


# ---- a host is lost -------------------------------------------------------------------------------


def documented():
    """The settings that docs/hosts.md tells users of mpirun to export."""
    with open(os.path.join(TOP, "docs", "hosts.md"), encoding="utf-8") as page:
        found = dict(re.findall(r"^export (OMPI_MCA_\w+)=(\S+)", page.read(), re.MULTILINE))
    same("settings in docs/hosts.md", len(found), 3)
    return found


def lost(bench, words, folder, **env):
    """Start a job, and cut off a host as soon as there is a checkpoint."""
    job = bench.start(*words, **env)
    there = os.path.join(folder, "manifest")
    if not wait_until(lambda: os.path.exists(there) or job.poll() is not None, 60) or job.poll() is not None:  # fmt: skip
        job.kill()
        sys.exit(f"FAILED: no checkpoint was written\n{text_of(job)}")
    bench.hosts.cut("h2")
    return job


def ended(bench, job, seconds):
    """Wait for its end, with nothing left anywhere; (status, output)."""
    start = time.monotonic()
    try:
        status = job.wait(seconds)
    except subprocess.TimeoutExpired:
        sys.exit(f"FAILED: the job goes on {seconds} s after a host was cut off")
    print(f"ended after {time.monotonic() - start:.1f} s with status {status}", flush=True)

    def left():
        return [each for name in bench.hosts.names for each in bench.hosts.processes(name).values() if not each.startswith("sleep 3600")]  # fmt: skip

    wait_until(lambda: not left(), LIMIT_S)
    same("processes left on the hosts", left(), [])
    print(f"all gone after {time.monotonic() - start:.1f} s", flush=True)
    return status, text_of(job)


def supervised(bench, ranks, folder, words):
    program = bench.leanmd(python=True)[1:]
    return [sys.executable, "-m", "c4py.run", "-n", str(ranks), "--checkpoint", folder, *program, *words]  # fmt: skip


def same_end(found, wanted):
    """The energies of a run that went on from a checkpoint, against those of one that was left alone."""
    at = {each["step"]: each for each in wanted["energies"]}
    for each in found["energies"]:
        for name in ("kinetic", "potential", "abs_force"):
            same(f"step {each['step']}, {name}", each[name], at[each["step"]][name])


def cut(bench, python=False):
    folder = os.path.join(SCRATCH, "checkpoint")
    words = [*LONG, "--checkpoint", folder, "--checkpoint-period", "20", "--record", "-"]
    whole = bench.mpirun(2, *bench.leanmd(python), *LONG, "--record", "-", names=["h1"])

    def command(ranks):
        if python:
            return supervised(bench, ranks, folder, words)
        return ["mpirun", "-n", str(ranks), *bench.leanmd(), *words, "--restart", "auto"]

    job = lost(bench, command(6), folder, **({} if python else documented()))
    status, output = ended(bench, job, LIMIT_S)
    same("status", status, 205)
    right("the message names the lost host", "lost communication" in output and "on node h2" in output)  # fmt: skip
    same_end(record(bench.run(*command(4), names=["h1", "h3"])), record(whole))


def supervised_cut(bench):
    cut(bench, python=True)


def told(bench):
    folder = os.path.join(SCRATCH, "checkpoint")
    words = [*LONG, "--checkpoint", folder, "--checkpoint-period", "20"]
    job = lost(bench, supervised(bench, 6, folder, words), folder)
    job.send_signal(signal.SIGTERM)
    status, _ = ended(bench, job, LIMIT_S + 5)
    right(f"the status is not 0 ({status})", status)


CASES = {each.__name__: each for each in (short, leanmd, late, pools, cut, supervised_cut, told)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True)
    parser.add_argument("--no-python", dest="python", action="store_false", help="leave out what needs the launcher")  # fmt: skip
    parser.add_argument("case", choices=CASES)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    enter()
    CASES[args.case](Bench(args, late=args.case == "late"))
    print("passed")


if __name__ == "__main__":
    main()

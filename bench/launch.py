# SPDX-License-Identifier: Apache-2.0
"""Start a program of the benchmarks, on ranks or alone, and take what it prints."""

import os
import re
import signal
import subprocess

from machine import HERE, mpi_environment

COLOURS = re.compile(
    "\x1b\\[[0-9;]*m"
)  # numba's colorama ends a process with one, before the line of another rank


def bench_environment(build, scale, wanted=()):
    """That of MPI, and what the programs here want to know."""
    env = mpi_environment()
    env["BENCH_SCALE"] = str(scale)
    env["BENCH_ROWS"] = " ".join(sorted(wanted))
    env["BENCH_YARDSTICK"] = str(build / "bench" / "libc4p_yardstick.so")
    folders = (HERE, build / "bench" / "leanmd", env.get("PYTHONPATH"))
    env["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in folders if folder)
    return env


def on_ranks(ranks, words):
    return ["mpirun", "-n", str(ranks), *words] if ranks else words


def ranks_text(ranks):
    return f"{ranks} rank{'s' if ranks > 1 else ''}"


def finish(process, timeout):
    """Its output, or None when it had to be ended. mpirun is asked first, so that no rank is left."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        pass
    for signum in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(signum)
        try:
            process.communicate(timeout=10)
            return None
        except subprocess.TimeoutExpired:
            pass
    return None


def run(words, env, timeout, name):
    """What it printed, and what went wrong; one of them is None."""
    process = subprocess.Popen(
        words, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output = finish(process, timeout)
    if output is None:
        return None, f"{name}: not finished after {timeout:g} s"
    if process.returncode != 0:
        return None, f"{name}: exit status {process.returncode}\n{output[0]}{output[1]}"
    return COLOURS.sub("", output[0]), None

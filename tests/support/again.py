#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start a job many times; every start must end well, say the same and leave nothing behind.

    again.py --times 1000 --np 4 -- build/bin/c4py_launcher examples/hello/hello.py

Each run must exit with 0, print nothing on stderr, print the same lines as the first run (in any order), and leave no process
and no file in /dev/shm. Stops at the first run that does not, and prints what it printed. Standard library only; Linux only.
"""

import argparse
import os
import signal
import sys
import tempfile
import time

import run

GRACE_S = 5.0  # that an ended job may need to disappear


def once(command, env, timeout_s):
    """(what is wrong, stdout, stderr, seconds)"""
    with tempfile.TemporaryFile() as errors:
        job = run.Job(command, env, None, GRACE_S, stderr=errors)
        try:
            status = job.wait(timeout_s)
        except BaseException:  # our own end must not leave the job behind
            job.kill()
            raise
        elapsed_s = time.monotonic() - job.start
        wrong = []
        if status is None:
            job.kill()
            wrong.append(f"not finished after {timeout_s:g} s")
        elif status:
            wrong.append(f"exit status {status}")
        wrong += job.settle()
        job.kill()
        errors.seek(0)
        text = errors.read().decode("utf-8", "replace")
    if text:
        wrong.append("something on stderr")
    return wrong, job.text(), text, elapsed_s


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--np", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one run")
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("command", nargs="+")
    signal.signal(signal.SIGTERM, run.terminated)
    args = parser.parse_args()
    command = [args.mpiexec, "-n", str(args.np), *args.command]
    env = run.mpi_env(os.environ)
    env.pop(
        "PYTHONUNBUFFERED", None
    )  # with it a line is written in pieces, which those of others part
    run.become_subreaper()
    first, seconds = None, []
    for i in range(1, args.times + 1):
        wrong, out, err, elapsed_s = once(command, env, args.timeout)
        # mpirun may join lines of two ranks: what must be equal is the text as a whole.
        letters = sorted(out)
        first = first or letters
        if not letters or letters != first:
            wrong.append("other output than in the first run")
        if wrong:
            print(f"$ {' '.join(command)}\n{out}{err}")
            print(f"FAILED in run {i} of {args.times}: {'; '.join(wrong)}")
            return 1
        seconds.append(elapsed_s)
        if i % 100 == 0:
            print(f"{i} runs", flush=True)
    seconds.sort()
    print(
        f"{args.times} starts and stops with {args.np} ranks are fine: "
        f"{seconds[len(seconds) // 2]:.2f} s in the median, {seconds[-1]:.2f} s at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Change the number of ranks of a job that ``python -m c4py.run`` has started.

::

    python -m c4py.resize RANKS DIR [--timeout 600]

The job writes a checkpoint into DIR, its checkpoint directory, at its next safe point, ends, and goes on on RANKS ranks. On any host that
sees DIR. Exit status 0 when it runs on them, 1 if it has ended or has come to no safe point in time (the request is then withdrawn), 66 if
no job runs with this directory.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from ._job import Job, JobError
from ._runtime import say_nothing_at_exit

__all__ = ["main"]


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m c4py.resize", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "ranks", type=int, metavar="RANKS", help="how many it shall have, 1 or more"
    )
    parser.add_argument("folder", metavar="DIR", help="the job's checkpoint directory")
    parser.add_argument(
        "--timeout",
        type=float,
        default=600,
        metavar="SECONDS",
        help="how long to wait for a safe point (600)",
    )
    args = parser.parse_args(words)
    if args.ranks < 1:
        parser.error(f"RANKS must be 1 or more, not {args.ranks}")
    return args


def _wait(job: Job, runs: int, seconds: float) -> dict[str, int]:
    """The state of the job's next run. Raises JobError."""
    end = time.monotonic() + seconds
    while True:
        over = job.is_over()
        state = job.state()
        if state.get("runs", 0) > runs:
            return state
        if over:
            raise JobError(f"the job has ended before, with status {state.get('status', '?')}")
        if time.monotonic() > end and job.withdraw():
            raise JobError(
                f"no safe point within {seconds:g} s, the request is withdrawn: the program must ask "
                "charm.checkpointDue() on rank 0 between its steps, and then charm.checkpoint() must succeed"
            )
        time.sleep(0.1)


def _resize(args: argparse.Namespace) -> None:
    job = Job(args.folder)
    state = job.state()
    if state.get("ranks") == args.ranks:
        print(f"the job has {args.ranks} ranks already")
        return
    job.ask(args.ranks)
    print(
        f"{state.get('ranks')} ranks (process {state.get('pid')} on {state.get('host')}) shall become {args.ranks}; "
        "waiting for the next safe point",
        flush=True,
    )
    try:
        state = _wait(job, state.get("runs", 0), args.timeout)
    except BaseException:
        job.withdraw()
        raise
    print(f"the job goes on on {state['ranks']} ranks")


def main(words: Sequence[str] = ()) -> int:
    """Do it, as described above; the exit status."""
    try:
        _resize(_parse(words or sys.argv[1:]))
    except JobError as error:
        print(f"c4py.resize: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("c4py.resize: interrupted; the request is withdrawn", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    say_nothing_at_exit()
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""``python -m charmrun.start [+pN] prog.py args``: run a program on N ranks through the MPI launcher."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from .launch import end, environment, job_command

_COUNT = re.compile(r"^(\+p|\+n|-n|-np)(\d+)?$")

#: Flags for a launcher that starts processes itself; the MPI launcher does that here. True: a value
#: follows.
_IGNORED = {
    "++local": False,
    "++mpiexec": False,
    "++verbose": False,
    "++auto-provision": False,
    "++scalable-start": False,
    "++nodelist": True,
    "++remote-shell": True,
    "++batch": True,
}


def _split(words: Sequence[str]) -> tuple[int, bool, list[str]]:
    """(number of ranks, ++interactive given, the words that remain). Raises ValueError for a bad number."""
    count, interactive = 1, False
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        found = _COUNT.match(word) if not rest or word.startswith("+") else None
        if found:
            text = found.group(2) or (left.pop(0) if left else "")
            if not text.isdigit() or int(text) < 1:
                raise ValueError(f"{word} needs the number of ranks, not '{text}'")
            count = int(text)
        elif word in _IGNORED:
            if _IGNORED[word] and left:
                left.pop(0)
        elif word == "++interactive":
            interactive = True
        else:
            rest.append(word)
    return count, interactive, rest


def _command(args: Sequence[str]) -> list[str] | int:
    """What is to be run; if that cannot be, an exit status, after a message."""
    try:
        count, interactive, rest = _split(args)
        if interactive:
            rest = ["-m", "charm4py.interactive", *rest]
        if rest:
            return job_command(count, rest)
        why, status = "usage: python -m charmrun.start [+pN] prog.py [arguments]", 2
    except ValueError as error:
        why, status = f"charmrun: {error}", 2
    except FileNotFoundError as error:
        why, status = f"charmrun: {error}", 69
    print(why, file=sys.stderr)
    return status


def start(args: Sequence[str] = ()) -> int:
    """Run a job and wait for its end; returns its exit status, 0 to 255. For use outside of jobs.

    args: ``[+pN] prog.py words…``, without ``+pN`` one rank; ``++interactive`` runs the shell; empty:
    the words of this process's command line. For what cannot be started it prints why and returns
    2, without an MPI launcher 69; for a launcher that a signal ended 128 and its number.
    """
    command = _command(args or sys.argv[1:])
    if isinstance(command, int):
        return command
    with subprocess.Popen(command, env=environment()) as job:
        try:
            status = job.wait()
        except KeyboardInterrupt:
            end(job)
            return 130
    return status if status >= 0 else 128 - status


def main() -> NoReturn:
    """``python -m charmrun.start``: becomes the MPI launcher, so that signals and the exit status are the job's own."""
    command = _command(sys.argv[1:])
    if isinstance(command, int):
        sys.exit(command)
    sys.stdout.flush()
    os.execvpe(command[0], command, environment())


if __name__ == "__main__":
    main()

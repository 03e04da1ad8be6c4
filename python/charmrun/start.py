# SPDX-License-Identifier: Apache-2.0
"""``python -m charmrun.start [+pN] prog.py args``: run a program on N ranks through the MPI launcher."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence

from .launch import job_command

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


def start(args: Sequence[str] = ()) -> int:
    """Run a job and wait for its end; returns its exit status.

    args: ``[+pN] prog.py words…``; empty: the words of this process's command line.
    """
    try:
        count, interactive, rest = _split(args or sys.argv[1:])
    except ValueError as error:
        print(f"charmrun: {error}", file=sys.stderr)
        return 2
    if interactive:
        rest = ["-m", "charm4py.interactive", *rest]
    if not rest:
        print("usage: python -m charmrun.start [+pN] prog.py [arguments]", file=sys.stderr)
        return 2
    try:
        command = job_command(count, rest)
    except FileNotFoundError as error:
        print(f"charmrun: {error}", file=sys.stderr)
        return 69
    environment = {"OMPI_MCA_rmaps_base_oversubscribe": "1", **os.environ}
    try:
        return subprocess.call(command, env=environment) & 0xFF
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(start())

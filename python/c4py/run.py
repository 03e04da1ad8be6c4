# SPDX-License-Identifier: Apache-2.0
"""A job whose number of ranks can change while it runs.

::

    python -m c4py.run -n 4 --checkpoint ckpt main.py arguments
    python -m c4py.resize 7 ckpt                                    # in another shell, on any host that sees ckpt

starts the program through mpirun and, each time a resize was asked for and the program has written its checkpoint
(``charm.checkpointDue()``), again on the new number of ranks, with the same command line. A checkpoint that is in the directory at
the start is gone on from. Options of the launcher stand before the program. The exit status is that of the last run.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from charmrun.launch import end, environment, job_command, launcher_command

from ._checkpoint import REQUEUE
from ._job import JobError, Post, request_path
from ._runtime import say_nothing_at_exit

__all__ = ["main"]

USAGE = (
    "usage: python -m c4py.run -n RANKS --checkpoint DIR [launcher options] program.py [arguments]"
)

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
#: Seconds until mpirun is killed that was told to end: it waits for ever for a host that it has lost.
_PATIENCE = 10


def _parse(words: Sequence[str]) -> tuple[int, str, list[str]]:
    """(ranks, directory, the other words) of a command line. Raises JobError."""
    ranks, folder, rest = "", "", list(words)
    while rest:
        name, glued, value = rest[0].partition("=")
        if name not in ("-n", "-np", "--checkpoint"):
            break
        value = value if glued else (rest[1:2] or [""])[0]
        del rest[: 1 if glued else 2]
        if name == "--checkpoint":
            folder = value
        else:
            ranks = value
    if not ranks.isdecimal() or int(ranks) < 1:
        raise JobError(f"-n needs the number of ranks, 1 or more, not '{ranks}'; {USAGE}", 2)
    if not folder:
        raise JobError(f"where shall the checkpoints be? {USAGE}", 2)
    if not rest:
        raise JobError(f"no program given; {USAGE}", 2)
    options = takewhile(lambda word: not word.endswith(".py") and word not in ("-m", "-c"), rest)
    if "+restart" in rest or any(
        word.startswith(("--restart", "--checkpoint=")) for word in options
    ):
        raise JobError(
            "the job goes on from the directory of --checkpoint, given once; leave other words away",
            2,
        )
    return int(ranks), folder, rest


def _command(ranks: int, folder: str, rest: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """What starts the job, and its environment."""
    settings = {"CHECKPOINT": folder, "RESTART": "auto", "STOP_FILE": request_path(folder)}
    if launcher_command()[1:]:  # python -m c4py: it has no options
        extra = {f"C4PY_{name}": value for name, value in settings.items()}
        return job_command(ranks, list(rest)), environment(extra)
    options = [f"--{name.lower().replace('_', '-')}={value}" for name, value in settings.items()]
    return job_command(ranks, [*options, *rest]), environment()


def _die_with_parent() -> None:
    """In the child: a job shall not outlive its supervisor."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))


def _run_once(command: list[str], env: dict[str, str]) -> int:
    """Run it to its end; its exit status as a shell gives it. Signals are passed on."""
    with subprocess.Popen(command, env=env, preexec_fn=_die_with_parent) as job:

        def forward(number: int, _: Any) -> None:
            job.send_signal(number)
            if number in (signal.SIGTERM, signal.SIGHUP):
                signal.alarm(_PATIENCE)

        def give_up(_: int, __: Any) -> None:
            job.kill()

        before = {number: signal.signal(number, forward) for number in _FORWARDED}
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, give_up)
        try:
            status = job.wait()
        except KeyboardInterrupt:
            end(job)
            status = 130
        finally:
            signal.alarm(0)
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _say(text: str) -> None:
    print(f"c4py.run: {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str] = ()) -> int:
    """Run a job, as described above; its exit status, or 2 after a message about the words."""
    words = words or sys.argv[1:]
    if any(word in ("-h", "--help") for word in words[:1]):
        print(f"{USAGE}\n\n{(__doc__ or '').strip()}")
        return 0
    try:
        ranks, folder, rest = _parse(words)
        command = _command(ranks, folder, rest)
        post = Post(folder)
    except (JobError, FileNotFoundError) as error:
        _say(str(error))
        return getattr(error, "status", 69)
    status = 1
    try:
        while True:
            post.begins(ranks)
            status = _run_once(*command)
            wanted = post.requested()
            if status != REQUEUE or wanted is None:
                return status
            _say(f"the checkpoint is written; {ranks} ranks become {wanted}")
            ranks = wanted
            command = _command(ranks, folder, rest)
    finally:
        post.ended(status)


if __name__ == "__main__":
    say_nothing_at_exit()
    sys.exit(main())

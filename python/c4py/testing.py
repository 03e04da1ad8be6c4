# SPDX-License-Identifier: Apache-2.0
"""For tests of programs: run a script on several ranks and look at what it did.

These functions work in an ordinary Python, for example under pytest; the runtime itself need not run there::

    from c4py.testing import run_program

    def test_pi():
        result = run_program("pi.py", ranks=4, timeout_s=30)
        assert result.status == 0
        assert "pi is about 3.14159" in result.output
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charmrun.launch import job_command

from . import _runtime

__all__ = ["Result", "run_program"]


@dataclass(frozen=True)
class Result:
    """What a run gave.

    status: the exit status; negative: the number of the signal that ended mpirun. output: the text of
    all ranks, both streams. timed_out: whether the run was ended because it took too long.
    """

    status: int
    output: str
    timed_out: bool


def run_program(
    script: str,
    args: Sequence[str] = (),
    ranks: int = 2,
    timeout_s: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a script with the launcher on so many ranks and wait for its end, at most timeout_s seconds.

    env: variables to set besides those of this process. Returns a `Result`; a run that is too long
    is ended, and its result says so. Raises FileNotFoundError when there is no MPI launcher.
    """
    _runtime.say_nothing_at_exit()
    command = job_command(ranks, [script, *args])
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"OMPI_MCA_rmaps_base_oversubscribe": "1", **os.environ, **(env or {})},
        start_new_session=True,
    )
    timed_out = False
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=10.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
    status = process.returncode
    if timed_out and status == 0:  # hydra, MPICH's mpirun, when it is told to end
        status = -signal.SIGTERM
    return Result(status, output.decode(errors="replace"), timed_out)

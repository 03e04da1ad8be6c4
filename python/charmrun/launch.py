# SPDX-License-Identifier: Apache-2.0
"""Where the launcher is and how a job is started with it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

#: How Open MPI is set up unless the environment says otherwise. docs/hosts.md has the lines for a mpirun of one's own.
MPI_SETTINGS = {
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    # A host that answers nothing is given up after 1 + 3 * 1 s; by Open MPI's own defaults after 480 s.
    "OMPI_MCA_oob_tcp_keepalive_time": "1",
    "OMPI_MCA_oob_tcp_keepalive_intvl": "1",
    "OMPI_MCA_oob_tcp_keepalive_probes": "3",
}


def launcher_command() -> list[str]:
    """The command that runs a script on one rank: the launcher if there is one, else the module on this Python.

    C4PY_LAUNCHER names another one. A launcher near the package (a build or an installation) wins
    over the PATH.
    """
    named = os.environ.get("C4PY_LAUNCHER")
    if named:
        return [named]
    above = os.path.dirname(os.path.abspath(__file__))
    for _ in range(4):
        above = os.path.dirname(above)
        near = os.path.join(above, "bin", "c4py_launcher")
        if os.access(near, os.X_OK):
            return [near]
    found = shutil.which("c4py_launcher")
    return [found] if found else [sys.executable, "-m", "c4py"]


def job_command(num_ranks: int, words: list[str]) -> list[str]:
    """The command that runs a script with its arguments, the words, on num_ranks ranks.

    C4PY_MPIEXEC names the MPI launcher, perhaps with options of it: ``mpirun --bind-to none``.
    Raises FileNotFoundError if there is none.
    """
    return [*_mpiexec(), "-n", str(num_ranks), *launcher_command(), *words]


def environment(settings: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of the MPI launcher, with these settings. Ranks of other hosts get of it what concerns us."""
    env = {**MPI_SETTINGS, **os.environ, **(settings or {})}
    if "-x" not in shlex.split(
        os.environ.get("C4PY_MPIEXEC", "")
    ):  # Open MPI takes the one or the other
        passed = [name for name in env if name.startswith("C4PY_") or name == "PYTHONPATH"]
        env.setdefault("OMPI_MCA_mca_base_env_list", ";".join(passed))
    return env


def end(job: subprocess.Popen[bytes]) -> None:
    """After an interrupt, which a terminal sends to the job, too: that needs a moment to end."""
    for ask in (job.terminate, job.kill):
        try:
            job.wait(5)
        except subprocess.TimeoutExpired:
            ask()
    job.wait()


def _mpiexec() -> list[str]:
    named = os.environ.get("C4PY_MPIEXEC")
    if named:
        words = [named] if os.path.exists(named) else shlex.split(named)
        if not words or shutil.which(words[0]) is None:
            raise FileNotFoundError(f"C4PY_MPIEXEC is '{named}', which is no program that can run")
        return words
    found = shutil.which("mpirun") or shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError(
            "no mpirun or mpiexec on the PATH; load or install an MPI, or set C4PY_MPIEXEC"
        )
    return [found]

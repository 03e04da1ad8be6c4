# SPDX-License-Identifier: Apache-2.0
"""The machine that benchmarks run on: its MPI's environment, and what a record says of it."""

import os
import platform
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def mpi_environment():
    """Open MPI refuses root and more ranks than cores unless told otherwise."""
    env = dict(os.environ)
    for line in (HERE.parent / "tests" / "support" / "mpi.env").read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            env.setdefault(name.strip(), value.strip())
    return env


def first_lines(*words, count=1):
    try:
        done = subprocess.run(words, text=True, capture_output=True, env=mpi_environment())
    except OSError:
        return ""
    return "\n".join((done.stdout or done.stderr).split("\n")[:count]).strip()


def first_line(*words):
    return first_lines(*words)


def mpi_version():
    """That of the mpirun on the PATH; hydra, MPICH's, says it in its second line."""
    first, _, rest = first_lines("mpirun", "--version", count=2).partition("\n")
    return f"MPICH (hydra) {rest.split()[-1]}" if "HYDRA" in first and rest else first


def machine():
    model = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0))
    return {"cpu": model, "cores": cores, "system": f"{platform.system()} {platform.release()}"}


def compiler(build):
    """Build type, compiler and its version."""
    words = {}
    try:
        for line in (build / "CMakeCache.txt").read_text().splitlines():
            name, sign, value = line.partition("=")
            if sign:
                words[name.partition(":")[0]] = value
    except OSError:
        pass
    cc = words.get("CMAKE_C_COMPILER", "cc")
    return (
        f"{words.get('CMAKE_BUILD_TYPE') or 'no build type'}, {first_line(cc, '--version') or cc}"
    )


def conditions(build):
    """What a record says of where and when its figures were taken."""
    commit = first_line("git", "-C", str(HERE), "describe", "--always", "--dirty")
    return {
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "load": os.getloadavg()[0],
        "commit": "unknown" if "fatal" in commit else commit or "unknown",
        "compiler": compiler(build),
        "mpi": mpi_version(),
        "python": platform.python_version(),
    }

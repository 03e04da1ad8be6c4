#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count the instructions that one message costs: the same on a busy machine as on a quiet one.

bench/instructions.py [--build build]        needs valgrind; about a minute

Waiting is left out: only what is done because of a message is counted, on the rank that does it, with what MPI does for it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import HERE, mpi_environment

REPS, MESSAGES = 3, 400


def counted(folder, name, command, toggle, ranks):
    """Instructions on each rank inside the function `toggle` (None: all), with what it calls."""
    out = Path(folder) / name
    words = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    words += ["valgrind", "-q", "--tool=callgrind"]
    words += [f"--callgrind-out-file={out}.%q{{OMPI_COMM_WORLD_RANK}}" if ranks > 1 else f"--callgrind-out-file={out}.0"]  # fmt: skip
    words += [f"--toggle-collect={toggle}"] if toggle else []
    words += command
    done = subprocess.run(words, env=mpi_environment(), text=True, capture_output=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    totals = []
    for rank in range(ranks):
        found = re.findall(r"^(?:totals|summary): (\d+)", Path(f"{out}.{rank}").read_text(), re.M)
        totals.append(int(found[-1]) if found else 0)
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, default=HERE.parent / "build")
    build = parser.parse_args().build
    pingpong = [str(build / "bench" / "bench_pingpong"), str(REPS), str(MESSAGES)]
    memory = str(build / "bench" / "bench_memory")
    with tempfile.TemporaryDirectory() as folder:
        ping = counted(folder, "ping", pingpong, "ping", 2)[0] / (REPS * MESSAGES)
        flood = counted(folder, "flood", pingpong, "flood", 2)[0] / (REPS * MESSAGES)
        arrive = counted(folder, "arrive", pingpong, "c4pi_pump_deliver", 2)[1] / (
            REPS * MESSAGES * 2
        )
        few = counted(folder, "few", [memory, "100", "20000"], None, 1)[0]
        many = counted(folder, "many", [memory, "100", "60000"], None, 1)[0]
    print(f"{'on the same rank: send, queue, run the entry method':60} {(many - few) / 40000:7.0f}")
    print(f"{'ping-pong: entry method and the send of its answer by MPI':60} {ping:7.0f}")
    print(f"{'flood: one send, batched':60} {flood:7.0f}")
    print(f"{'one arrival, from the buffer to the queue':60} {arrive:7.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

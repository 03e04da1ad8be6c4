#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare runs of nbody_c with each other, bit for bit, and with the sum over all pairs of all particles, which knows no cells.

check.py [--mpiexec mpirun] build/nbody_c
"""

import argparse
import json
import os
import subprocess
import sys

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)

STRENGTH, SOFT, REACH = 0.02, 0.01, 0.12
DT, STEPS, PERIOD, CELLS = 0.002, 60, 10, 8
RUNS = [(1, "none"), (2, "none"), (2, "greedy-refine"), (2, "rotate"), (4, "none"), (4, "greedy-refine"), (4, "random")]  # fmt: skip

REFUSED = {
    "--cells 2": "--cells: '2' is not a whole number from 3 to 1000",
    "--steps 10k": "--steps: '10k' is not a whole number from 1 to 100000000",
    "--particles 99999999999999999999": "is not a whole number from 1 to 10000000",
    "--dt nan": "--dt: 'nan' is not a number above 0",
    "--reach 0.1": "--reach 0.1 is more than the width of one of 16 cells, which is 0.0625",
    "--strategy best": "--strategy: there is no 'best'",
    "--size 3": "there is no option '--size'",
    "--output": "--output needs a value",
    "--output no/such/folder": "no/such/folder: No such file or directory",
}


def check_refused(program):
    """What is wrong with the answers to bad arguments."""
    for arguments, text in REFUSED.items():
        done = subprocess.run([program, *arguments.split()], capture_output=True, text=True)
        if done.returncode != 2 or text not in done.stderr:
            yield f"{arguments}: ended with {done.returncode}, and said: {done.stderr}"
    done = subprocess.run([program, "--help"], capture_output=True, text=True)
    if done.returncode or "--strategy NAME" not in done.stdout:
        yield f"--help: ended with {done.returncode}, and said: {done.stdout}{done.stderr}"


def run(args, ranks, strategy):
    """The reports of one run, from step 0 on."""
    path = f"{strategy}.{ranks}.json"
    command = [args.mpiexec, "-n", str(ranks), args.program, "--counted", "--strategy", strategy,
               "--particles", "900", "--cells", str(CELLS), "--reach", str(REACH), "--dt", str(DT),
               "--steps", str(STEPS), "--period", str(PERIOD), "--output", path]  # fmt: skip
    env = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1")
    if os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def result(reports):
    """What must be the same in all runs; numbers have 17 digits, so they are equal if their bits are."""
    return [
        (r["step"], r["particles"], r["energy"], r["momentum"], [n for _, n in r["cells"]])
        for r in reports
    ]


def unevenness(reports, ranks):
    """The busiest rank's pairs by the mean's, after the first round. Whether later rounds move anything depends on the machine, too:
    on a busy one moves may cost more than they save."""
    loads = np.zeros(ranks)
    for rank, pairs in reports[1]["cells"]:
        loads[rank] += pairs
    return loads.max() / loads.mean()


# ---- all pairs ----------------------------------------------------------------------------------


def differences(at):
    """From each to each, by the nearest way around the box, and the squares of the distances."""
    d = at[None, :, :] - at[:, None, :]
    d -= np.rint(d)
    return d, (d * d).sum(axis=2)


def accelerations(at):
    d, r2 = differences(at)
    pull = (r2 + SOFT**2) ** -1.5 - (REACH**2 + SOFT**2) ** -1.5
    pull[r2 >= REACH**2] = 0
    return STRENGTH / len(at) * (pull[:, :, None] * d).sum(axis=1)


def energy(at, velocity):
    """Kinetic, and that of each pair: the integral of the force from the reach inwards."""
    n = len(at)
    i, j = np.triu_indices(n, 1)
    r2 = differences(at)[1][i, j]
    r2 = r2[r2 < REACH**2]
    edge = (REACH**2 + SOFT**2) ** -0.5
    depth = (r2 + SOFT**2) ** -0.5 - edge - 0.5 * (REACH**2 - r2) * edge**3
    return 0.5 / n * (velocity**2).sum() - STRENGTH / n**2 * depth.sum()


def state(report):
    rows = np.array(sorted(report["particles"]))
    return rows[:, 1:3], rows[:, 3:5]


def by_all_pairs(at, velocity):
    """The same steps: half a kick, drift, half a kick."""
    force = accelerations(at)
    for _ in range(STEPS):
        velocity = velocity + 0.5 * DT * force
        at = at + DT * velocity
        force = accelerations(at)
        velocity = velocity + 0.5 * DT * force
    return at, velocity


def compare(reports):
    """The largest differences from the direct sum: of places, of velocities, of the energy, of the momentum."""
    at, velocity = by_all_pairs(*state(reports[0]))
    ours_at, ours_velocity = state(reports[-1])
    apart = ours_at - at
    apart -= np.rint(apart)
    energies = [r["energy"] / energy(*state(r)) - 1 for r in (reports[0], reports[-1])]
    momenta = [np.array(r["momentum"]) - state(r)[1].mean(axis=0) for r in reports]
    return [
        ("places", np.abs(apart).max(), 1e-11),
        ("velocities", np.abs(ours_velocity - velocity).max(), 1e-10),
        ("energy", np.abs(energies).max(), 1e-12),
        ("momentum", np.abs(momenta).max(), 1e-14),
        ("change of the momentum", np.abs(np.subtract(reports[-1]["momentum"], reports[0]["momentum"])).max(), 1e-14),
        ("change of the energy", abs(reports[-1]["energy"] / reports[0]["energy"] - 1), 1e-5),
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("program")
    args = parser.parse_args()
    wrong = list(check_refused(args.program))
    runs = {key: run(args, *key) for key in RUNS}
    first = runs[RUNS[0]]
    for (ranks, strategy), reports in runs.items():
        same = result(reports) == result(first)
        print(f"{ranks} ranks, {strategy}: {'the same bits' if same else 'OTHER BITS'}, "
              f"max/avg {unevenness(reports, ranks):.2f}", flush=True)  # fmt: skip
        if not same:
            wrong.append(f"{strategy} on {ranks} ranks differs from one rank")
        moved = len({tuple(rank for rank, _ in r["cells"]) for r in reports}) > 1
        if moved != (strategy != "none"):
            wrong.append(f"{strategy} on {ranks} ranks: cells moved: {moved}")
    for ranks in (2, 4):
        before, after = (unevenness(runs[ranks, s], ranks) for s in ("none", "greedy-refine"))
        if not after < 1.4 < 1.7 < before:
            wrong.append(f"on {ranks} ranks max/avg is {before:.2f}, balanced {after:.2f}")
    for what, difference, most in compare(first):
        print(f"{what}: {difference:.1e}, at most {most:.0e}")
        if not difference <= most:
            wrong.append(f"{what}: {difference:.1e} from the direct sum")
    if wrong:
        sys.exit("\n".join(wrong))
    print("equal on all ranks, bit for bit, and to the direct sum")


main()

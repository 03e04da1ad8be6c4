#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare LeanMD's energies with the reference numbers, in one process and on ranks.

check.py --build DIR serial                  the kernels of all instruction sets
check.py --build DIR parallel --np 4         also balanced, in a fixed order, and restarted on another number of ranks
check.py --build DIR parallel --python       the same with the Python version; --kernel numba
check.py --build DIR numba                   the kernel by numba against the one in C, in one process
check.py --build DIR same --np 2             C and Python: the same bits with forces added in a fixed order
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "support"))
from run import mpi_env  # noqa: E402

RELATIVE = 1e-9
EXACT = ("computes", "tests", "inside", "clamped")


class Checks:
    def __init__(self):
        self.done, self.failed = 0, []

    def near(self, what, found, wanted, relative=RELATIVE):
        self.done += 1
        if not abs(found - wanted) <= relative * abs(wanted):
            self.failed.append(f"{what}: {found!r} instead of {wanted!r}")

    def same(self, what, found, wanted):
        self.done += 1
        if found != wanted:
            self.failed.append(f"{what}: {found!r} instead of {wanted!r}")

    def end(self):
        print(f"{self.done} numbers compared")
        if self.failed:
            sys.exit("FAILED\n" + "\n".join(self.failed))


def reference(args):
    """The cases; without the long ones if --quick."""
    with open(os.path.join(HERE, "reference.json"), encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    return [
        case for case in cases if not args.quick or (case["grid"][0] == 3 and case["away"][0] == 1)
    ]


def runs(cases):
    """The cases by what has to be run, with the number of steps it takes."""
    grouped = {}
    for case in cases:
        grouped.setdefault((case["variant"], *case["grid"], *case["away"]), []).append(case)
    return [(key, max(case["step"] for case in group), group) for key, group in grouped.items()]


def compare(checks, what, case, found):
    """found: what a run says of the case's step."""
    for name, wanted in case.items():
        if name in ("variant", "grid", "away", "step") or name not in found:
            continue
        label = f"{what}, {case['variant']} {case['grid']} step {case['step']}, {name}"
        if name in EXACT:
            checks.same(label, found[name], wanted)
        else:
            checks.near(label, found[name], wanted)


# ---- one process ---------------------------------------------------------------------------------


def serial(args, checks):
    program = os.path.join(args.build, "bench", "leanmd", "leanmd_serial")
    for isa in ("baseline", "avx2", "avx512"):
        for (variant, x, y, z, kx, ky, kz), steps, group in runs(reference(args)):
            command = [program, variant, *map(str, (x, y, z, steps, kx, ky, kz)), isa]
            run = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout)
            if run.returncode == 77:
                print(f"left out: {run.stderr.strip()}")
                break
            if run.returncode:
                sys.exit(f"{' '.join(command)}: {run.stderr}")
            steps = {line["step"]: line for line in map(json.loads, run.stdout.splitlines())}
            for case in group:
                compare(checks, isa, case, steps[case["step"]])


def forces_of(model, planes, shift):
    """The forces on two cells' particles: among those of each, and between them; and the sums."""
    found = [np.zeros(len(plane)) for plane in planes]
    sums = [model.alone(plane, force, True) for plane, force in zip(planes, found, strict=True)]
    sums.append(model.pair(*planes, shift, *found, True))
    return found, sums


def numba(args, checks):
    """Two cells of unequal size, the larger one of several blocks; a shift by which some of their groups are out of reach."""
    sys.path.insert(0, os.path.join(args.build, "bench", "leanmd"))
    import _leanmd

    try:
        import leanmd_numba
    except ModuleNotFoundError as error:
        print(f"left out: {error}")
        return
    rng = np.random.default_rng(1)
    planes = [rng.random(3 * n) * 40 for n in (150, 700)]
    for plane in planes:
        plane.flags.writeable = False  # as in a message
    for variant in ("a", "b"):
        grid, shift = (3, 3, 3), (25.0, 0.0, -3.0)
        kernels = (_leanmd.Model(variant, grid), leanmd_numba.Model(variant, grid))
        (c, c_sums), (by_numba, numba_sums) = (forces_of(model, planes, shift) for model in kernels)
        for force, wanted in zip(by_numba, c, strict=True):
            worst = np.max(np.abs(force - wanted)) / np.max(np.abs(wanted))
            checks.same(f"forces of variant {variant} differ by {worst:.1e}", worst < 1e-12, True)
        for (potential, inside), (wanted, pairs) in zip(numba_sums, c_sums, strict=True):
            checks.near(f"potential of variant {variant}", potential, wanted, 1e-10)
            checks.same(f"pairs within reach of variant {variant}", inside, pairs)


# ---- ranks ---------------------------------------------------------------------------------------


def program(args, words):
    """The command without mpiexec. What is an option of the program in C is one of the launcher in Python."""
    folder = os.path.join(args.build, "bench", "leanmd")
    if not args.python:
        return [os.path.join(folder, "leanmd"), *words]
    words, before = list(words), []
    for option in ("--balancer", "--restart"):
        if option in words:
            at = words.index(option)
            before += words[at : at + 2]
            del words[at : at + 2]
    launcher = os.path.join(args.build, "bin", "c4py_launcher")
    return [launcher, *before, os.path.join(HERE, "leanmd.py"), *words, "--kernel", args.kernel]


def leanmd(args, np, *words):
    """Run it; its record. args.before: words that stand before the program."""
    env = mpi_env(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(
        (os.path.join(args.build, "bench", "leanmd"), env.get("PYTHONPATH", ""))
    )
    command = [args.mpiexec, "-n", str(np), *getattr(args, "before", ()), *program(args, [*map(str, words), "--progress", "0", "--record", "-"])]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout, env=env)  # fmt: skip
    plain = re.sub(
        "\x1b\\[[0-9;]*m", "", run.stdout
    )  # numba's colorama ends a process with a colour
    records = [line for line in plain.splitlines() if line.startswith("{")]
    if run.returncode or not records:
        sys.exit(f"{' '.join(command)} ended with {run.returncode}\n{run.stdout}{run.stderr}")
    return json.loads(records[-1])


def at_step(record, step):
    """What a record says of one step; numbers that are the same in all, too."""
    energies = {energy["step"]: energy for energy in record["energies"]}
    found = dict(energies[step])
    if step == 1:
        found.update({name: record[name] for name in ("computes", "tests")})
        if record["steps"] == 1:
            found["inside"] = record["inside"]
    return found


def parallel(args, checks):
    for (variant, x, y, z, kx, ky, kz), steps, group in runs(reference(args)):
        words = [x, y, z, steps, "--variant", variant, "--away", f"{kx},{ky},{kz}"]
        variants = [("as it stands", [])]
        if (x, kx) == (3, 1):
            variants.append(("in order", ["--ordered"]))
            variants.append(("with barriers", ["--barrier"]))
        if steps > 10 and args.np > 1:
            variants.append(("balanced", ["--placement", "bad", "--balancer", "greedy-refine",
                                          "--lb-first", 3, "--lb-period", 7]))  # fmt: skip
        for what, more in variants:
            record = leanmd(args, args.np, *words, *more)
            if what == "balanced" and not args.python:
                checks.same(f"rounds, {variant}", len(record["balancing"]), 3)
                checks.same(
                    f"computes moved, {variant}",
                    sum(r["moved"] for r in record["balancing"]) > 0,
                    True,
                )
            for case in group:
                compare(checks, what, case, at_step(record, case["step"]))
    if not args.python:
        counted(args, checks)
    restarted(args, checks)


def counted(args, checks):
    """A multicast and a reduction are P - 1 messages each, where each cell has computes on all P ranks. The reductions of energies
    are some more, and one that a long idle rank sends in parts is; nothing else is."""
    words = (4, 4, 4, 41, "--exchange", 1000, "--particles", 20)
    expected = 2 * 64 * (args.np - 1)
    found = leanmd(args, args.np, *words)["messages_per_step"]
    checks.same(
        f"{found} messages a step, {expected} expected",
        0.95 * expected <= found <= 1.1 * expected,
        True,
    )


def restarted(args, checks):
    """A run that goes on from a checkpoint, on another number of ranks, has the same bits at its end as one that was never
    interrupted; forces are added in a fixed order."""
    words = [
        4,
        4,
        2,
        30,
        "--variant",
        "exact",
        "--ordered",
        "--exchange",
        5,
        "--particles",
        "60,100",
        "--energies",
        10,
    ]
    whole = leanmd(args, args.np, *words)
    with tempfile.TemporaryDirectory() as folder:
        leanmd(args, args.np, *words, "--checkpoint", folder, "--checkpoint-period", 12)
        rest = leanmd(args, args.np + 1, *words, "--restart", folder)
    checks.same("energies after a restart", rest["energies"], whole["energies"])
    first, last = whole["energies"][0], whole["energies"][-1]
    checks.near("conserved energy", last["conserved"], first["conserved"], 1e-3)


def same(args, checks):
    words = [3, 3, 3, 10, "--away", "1,1,1", "--ordered", "--exchange", 4, "--energies", 1]
    records = []
    for args.python in (False, True):
        records.append(leanmd(args, args.np, *words)["energies"])
    for c, python in zip(*records, strict=True):
        for name in ("kinetic", "potential", "abs_force", "v2"):
            checks.same(f"step {c['step']}, {name}", python[name], c[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True)
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--np", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=100)
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--kernel", default="c")
    parser.add_argument("--quick", action="store_true", help="leave out the larger cases")
    parser.add_argument("what", choices=("serial", "numba", "parallel", "same"))
    args = parser.parse_args()
    checks = Checks()
    {"serial": serial, "numba": numba, "parallel": parallel, "same": same}[args.what](args, checks)
    checks.end()


if __name__ == "__main__":
    main()

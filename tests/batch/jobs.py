#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LeanMD in C and in Python under batch systems, and the templates of examples/jobs.

jobs.py --build DIR starts           under Slurm by srun and by mpirun: the reference energies; srun without PMIx is refused
jobs.py --build DIR requeue          leanmd.slurm on two nodes: told of its end, queued again, and ends with the same bits
jobs.py --build DIR requeue --python --mpirun       the same with the Python version, and with mpirun in the place of srun
jobs.py --build DIR time_limit       leanmd.slurm ended again and again by Slurm's own clock, some minutes long
jobs.py --build DIR lsf, pbs         leanmd.lsf and leanmd.pbs, with this program in the part of the batch system

Skipped (status 77), with the reason, where Slurm cannot be started.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

import slurm

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(TOP, "bench", "leanmd"))
import check  # noqa: E402

SKIP = 77
REQUEUE = 85
KEEP = '"${keep[@]}"'  # the template's options for checkpoints
MORE = "--away 1,1,1 --particles 40,60 --exchange 5 --ordered".split()
# Long enough to be told of its end on the way: some seconds.
WORK = ["3", "3", "3", "600", "--energies", "100", *MORE]
LONG_WORK = ["3", "3", "3", "20000", "--energies", "1000", *MORE]


def template(name, **variables):
    """The text of a template with other words in these variables, as a user edits it."""
    text = slurm.read(f"{TOP}/examples/jobs/{name}")
    for variable, value in variables.items():
        text, count = re.subn(rf"(?m)^{variable}=\(.*\)$", f"{variable}=({value})", text)
        if count != 1:
            raise slurm.Failed(f"{name} has {count} lines with {variable}=(…)")
    return text


def program(args, work, keep=""):
    """LeanMD's command line, as a shell has it. keep: options that are the launcher's in Python."""
    folder = f"{args.build}/bench/leanmd"
    if args.python:
        before = f"{args.build}/bin/c4py_launcher {keep} {TOP}/bench/leanmd/leanmd.py"
    else:
        before = f"{folder}/leanmd {keep}"
    return f"{before} {shlex.join(work)} --record -"


def records(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


# ---- Slurm ---------------------------------------------------------------------------------------


def completed(job, fields):
    """The output of a job that has done its work. fields: as wait() gives them."""
    if fields["JobState"] != "COMPLETED":
        raise slurm.Failed(f"the job is {fields['JobState']}:\n{job.output()}")
    return job.output()


def starts(args, checks):
    """All four ways in one job."""
    ((_, steps, cases),) = check.runs(
        case
        for case in check.reference(args)
        if case["variant"] == "b" and case["away"] == [1, 1, 1]
    )
    work = f"3 3 3 {steps} --away 1,1,1".split()
    lines = ["#!/bin/bash"]
    for args.python in (False, True):
        for mpi in ("srun --mpi=pmix --unbuffered", "mpirun"):
            lines.append(f"{mpi} {program(args, work)} || exit")
    with slurm.Cluster(nodes=2) as cluster:
        job = cluster.submit("\n".join(lines) + "\n", "--nodes=2", "--ntasks-per-node=2")
        found = records(completed(job, job.wait(120)))
        checks.same("runs", [(one["language"], one["ranks"], one["hosts"]) for one in found],
                    [(language, 4, 2) for language in ("C", "C", "Python", "Python")])  # fmt: skip
        for one in found:
            for case in cases:
                compare_at(checks, case, one)
        refused(args, checks, cluster)


def compare_at(checks, case, record):
    check.compare(checks, record["language"], case, check.at_step(record, case["step"]))


def refused(args, checks, cluster):
    """Ranks that cannot find each other."""
    for args.python in (False, True):
        command = shlex.split(program(args, ["3", "3", "3", "1"]))
        done = cluster.call("srun", "--mpi=none", "--ntasks=2", *command)
        checks.same("status without PMIx", done.returncode, 1)
        checks.same(
            "its reason, times", done.stdout.count("If it cannot start: srun --mpi=pmix"), 1
        )


def submit_template(args, cluster, work, *options, **variables):
    mpi = "mpirun" if args.mpirun else "srun --mpi=pmix --unbuffered"
    text = template("leanmd.slurm", program=program(args, work, KEEP), mpi=mpi, **variables)
    return cluster.submit(text, "--nodes=2", "--ntasks-per-node=2", *options)


def requeue(args, checks):
    """What leaves early and goes on has the same bits as what was left alone."""
    with slurm.Cluster(nodes=2) as cluster:
        job = submit_template(args, cluster, [*WORK, "--progress", "20"])
        job.wait_for_output("step 40 of")
        cluster.run("scancel", "--batch", "--signal=USR2", str(job.number))
        fields = job.wait(120)
        output = completed(job, fields)
    checks.same("times queued again", fields["Restarts"], "1")
    check_whole(args, checks, output, WORK)


def time_limit(args, checks):
    """Slurm's clock ends the job, after a sign in time, and without one."""
    args.timeout = 1800
    keep = '--checkpoint "$SLURM_SUBMIT_DIR/unwarned" --every 5s --restart auto'
    for what, options, variables in (
        ("warned", ["--time=2", "--signal=B:USR2@10"], {}),
        ("killed", ["--time=1", "--signal=B:CONT@1"], {"keep": keep}),
    ):
        with slurm.Cluster(nodes=2) as cluster:
            job = submit_template(args, cluster, LONG_WORK, *options, **variables)
            fields = job.wait(1800)
            while fields["JobState"] == "TIMEOUT" and what == "killed":
                cluster.run("scontrol", "requeue", str(job.number))
                fields = job.wait(1800)
            output = completed(job, fields)
        print(f"{what}: queued again {fields['Restarts']} times")
        checks.same(f"{what}: queued again", int(fields["Restarts"]) > 0, True)
        check_whole(args, checks, output, LONG_WORK)


# ---- the part of PBS and of LSF ------------------------------------------------------------------


def run_script(folder, text, env, told=None):
    """One run of a batch script; (exit status, output so far). told: what to do with it once it works."""
    path = f"{folder}/job.sh"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with open(f"{folder}/output", "a", encoding="utf-8") as output:
        run = subprocess.Popen(["bash", path], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=output, start_new_session=True)  # fmt: skip
    try:
        if told:
            told(run)
        return run.wait(120)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)


def lsf(args, checks):
    """LSF sends the signal to all processes of the job, and starts it again on the status that -Q names."""
    text = template(
        "leanmd.lsf",
        program=program(args, [*WORK, "--progress", "20"], KEEP),
        mpi=f"{args.mpiexec} -n 2",
    )
    checks.same(
        "status to start again on", re.findall(r"(?m)^#BSUB -Q (\d+)", text), [str(REQUEUE)]
    )
    checks.same("sign of the end", re.findall(r"(?m)^#BSUB -wa (\w+)", text), ["USR2"])
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/leanmd-7.out"
        env = slurm.mpi_env(os.environ) | {"LSB_JOBID": "7", "LS_SUBCWD": folder}

        def tell(run):
            slurm.wait_until(lambda: "step 40 of" in slurm.read(output), "step 40", 60)
            os.killpg(run.pid, signal.SIGUSR2)

        checks.same("status when told", run_script(folder, text, env, tell), REQUEUE)
        checks.same("status in the end", run_script(folder, text, env), 0)
        check_whole(args, checks, slurm.read(output), WORK)


QSUB = """\
#!/bin/sh
[ "$1" = -v ] && [ "$3" = leanmd.pbs ] && [ $# = 3 ] && echo "$2" >>submitted
"""


def pbs(args, checks):
    """The first two runs leave by their own clock and submit the next, which has time enough."""

    def text(walltime):
        return template(
            "leanmd.pbs",
            program=program(args, WORK, KEEP),
            mpi=f"{args.mpiexec} -n 2",
            keep=f'--checkpoint "$PWD/checkpoint-$chain" --walltime {walltime} --restart auto',
        )

    with tempfile.TemporaryDirectory() as folder:
        with open(os.open(f"{folder}/qsub", os.O_CREAT | os.O_WRONLY, 0o700), "w") as file:
            file.write(QSUB)
        path = f"{folder}:{os.environ['PATH']}"
        env = slurm.mpi_env(os.environ) | {"PATH": path, "PBS_O_WORKDIR": folder}
        statuses = []
        for number, walltime in enumerate(("0.1s", "0.1s", "1h"), 1):
            env["PBS_JOBID"] = f"{number}.server"
            statuses.append(run_script(folder, text(walltime), env))
            env["chain"] = "1.server"
        checks.same("statuses", statuses, [REQUEUE, REQUEUE, 0])
        checks.same("submitted", slurm.read(f"{folder}/submitted").split(), 2 * ["chain=1.server"])
        check_whole(args, checks, slurm.read(f"{folder}/output"), WORK)


# ---- results -------------------------------------------------------------------------------------


def check_whole(args, checks, output, work):
    """One result, that of a run without interruption."""
    found = records(output)
    checks.same("results", len(found), 1)
    whole = check.leanmd(args, 2, *work)
    checks.same("energies", found[0]["energies"], whole["energies"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True, type=os.path.abspath)
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--mpirun", action="store_true")
    parser.set_defaults(quick=True, timeout=100, kernel="c")
    cases = {case.__name__: case for case in (starts, requeue, time_limit, lsf, pbs)}
    parser.add_argument("case", choices=cases)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, slurm.terminated)
    os.environ["PYTHONPATH"] = (
        f"{args.build}/bench/leanmd"  # where the Python version finds the kernel
    )
    checks = check.Checks()
    try:
        cases[args.case](args, checks)
    except slurm.NotHere as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIP)
    except slurm.Failed as problem:
        sys.exit(f"FAILED: {problem}")
    checks.end()


if __name__ == "__main__":
    main()

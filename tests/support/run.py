#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver of every test that starts several processes.

    run.py --np 4 --timeout 60 --expect "done" -- program args…

starts ``mpirun -n 4 program args…`` (``--np 0``: the program alone), records every process that comes
of it, and passes only if the exit status is right, the required lines were printed, no forbidden ones
were, no process is left and no shared-memory file of the job is left. It ends the job when the time is
up, prints the output when something is wrong, and exits with 0, 1, or 77 if the program says "skipped"
by exiting with 77. Standard library only; Linux only.

With ``C4P_TEST_CROWD=8`` in the environment every job of several ranks gets 8 ranks, all on one core
(as with --one-core), and five times as long.
"""

import argparse
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

EXIT_SKIP = 77
# Never in the output of a job that is to succeed, whatever its exit status.
ALWAYS_WRONG = r"Segmentation fault|(?:Address|Leak|Thread)Sanitizer|: runtime error: |PMIX ERROR"
POLL_S = 0.05
CROWD_PATIENCE = 5
HERE = os.path.dirname(os.path.abspath(__file__))


def mpi_env(base):
    """The environment `base` plus what mpi.env sets and `base` does not."""
    env = dict(base)
    with open(os.path.join(HERE, "mpi.env"), encoding="utf-8") as lines:
        for line in lines:
            name, sign, value = line.strip().partition("=")
            if sign and not name.startswith("#"):
                env.setdefault(name, value)
    return env


def become_subreaper():
    """Make orphans of the job our children, so that none of them can hide."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def process_table():
    """pid -> (parent, state) of every process."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
                table[int(name)] = (int(fields[1]), fields[0])
            except OSError:
                pass  # ended meanwhile
    return table


def descendants(table):
    """The living descendants of this process; zombies do not count."""
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = set(), [os.getpid()]
    while todo:
        for pid in children.get(todo.pop(), []):
            todo.append(pid)
            if table[pid][1] not in "ZX":
                found.add(pid)
    return found


def hydra_statuses(status):
    """What hydra, the launcher of MPICH, may end with when a rank's shell would say `status`: the bits of all ranks' wait statuses,
    of which a signal's number wins; and after a crash it kills the other ranks, if they are not gone yet."""
    crash = status - 128
    if crash not in (signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV):
        return {status}
    return {crash, crash | signal.SIGKILL}


def expected_statuses(args):
    if not (args.hydra and args.np):
        return set(args.exit)
    return set().union(*map(hydra_statuses, args.exit))


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read()
    except OSError:
        return b""


def made_since(path, time_s):
    """Whether a file is there and was made after this time, allowing for a coarse clock."""
    try:
        return os.stat(path).st_ctime >= time_s - 0.1
    except OSError:
        return False


def stay_on_one_core():
    """This process and all that it starts from now on."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def apply_crowd(args, setting):
    """What C4P_TEST_CROWD asks for; see above."""
    if setting and args.np > 1:
        args.np = int(setting)
        args.one_core = True
        args.timeout *= CROWD_PATIENCE
        if args.max_seconds:
            args.max_seconds *= CROWD_PATIENCE


class Job:
    """A started command with every process and every MPI job number that came of it."""

    def __init__(self, command, env, cwd, grace_s, stderr=subprocess.STDOUT):
        self.grace_s = grace_s
        self.output = tempfile.TemporaryFile()
        self.job_ids = set()  # of Open MPI, as they occur in names of shared-memory files
        self.seen = {}  # pid -> command line
        self.identified = set()
        self.start = time.monotonic()
        self.start_time_s = time.time()
        self.process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=stderr,
            start_new_session=True,
        )

    def look(self):
        """Note what runs now; the living descendants."""
        alive = descendants(process_table())
        for pid in alive:
            self.seen[pid] = read_proc(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
            if pid not in self.identified:
                found = re.search(rb"(?:^|\0)PMIX_NAMESPACE=(\d+)\0", read_proc(pid, "environ"))
                if found:
                    self.job_ids.add(f"{int(found.group(1)):x}")
                    self.identified.add(pid)
        return alive

    def wait(self, timeout_s):
        """The exit status as a shell gives it, or None after `timeout_s`."""
        while time.monotonic() - self.start < timeout_s:
            self.look()
            try:
                status = self.process.wait(POLL_S)
                return status if status >= 0 else 128 - status
            except subprocess.TimeoutExpired:
                pass
        return None

    def kill(self):
        """End everything: first politely, so that mpirun can clean up."""
        for signum, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, self.grace_s)):
            deadline = time.monotonic() + patience_s
            targets = self.look()
            if signum == signal.SIGTERM and self.process.poll() is None:
                targets = {self.process.pid}
            for pid in targets:
                try:
                    os.kill(pid, signum)
                except ProcessLookupError:
                    pass
            while self.look() and time.monotonic() < deadline:
                self.reap()
                time.sleep(POLL_S)

    def reap(self):
        """Collect ended processes that became our children."""
        self.process.poll()
        if self.process.returncode is None:
            return
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def settle(self):
        """Wait until everything is gone; a text on what is not."""
        deadline = time.monotonic() + self.grace_s
        while True:
            self.reap()
            alive, files = self.look(), self.shared_files()
            if not alive and not files:
                return []
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_S)
        left = [f"process {pid} is left: {self.seen[pid]}" for pid in sorted(alive)]
        left += [f"file {path} is left" for path in files]
        for path in files:
            os.unlink(path)  # said once; later tests are not to suffer
        return left

    def shared_files(self):
        """Files of this job in /dev/shm; those of other jobs do not concern us.

        Open MPI's job numbers have 16 bits of their own: an earlier job that was killed may have left
        files with ours.
        """
        try:
            names = os.listdir("/dev/shm")
        except OSError:
            return []
        paths = [
            os.path.join("/dev/shm", name)
            for name in names
            if self.job_ids.intersection(re.split(r"[._-]", name))
        ]
        return [path for path in paths if made_since(path, self.start_time_s)]

    def text(self):
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace")


def check_output(args, text):
    """What is wrong with the output."""
    wrong = []
    lines = text.splitlines()
    for want in args.expect:
        if not any(want in line for line in lines):
            wrong.append(f"no line has {want!r}")
    for pattern in args.expect_re:
        if not re.search(pattern, text, re.MULTILINE):
            wrong.append(f"nothing matches /{pattern}/")
    forbidden = args.forbid_re if any(args.exit) else [*args.forbid_re, ALWAYS_WRONG]
    for pattern in forbidden:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            wrong.append(f"{found.group(0)!r} matches /{pattern}/, which must not occur")
    return wrong


def run(args):
    apply_crowd(args, os.environ.get("C4P_TEST_CROWD"))
    env = mpi_env(os.environ)
    for setting in args.env:
        name, _, value = setting.partition("=")
        env[name] = value
    command = list(args.command)
    if args.np:
        command = [args.mpiexec, "-n", str(args.np), *args.mpi_arg, *command]

    become_subreaper()
    if args.one_core:
        stay_on_one_core()
    job = Job(command, env, args.cwd, args.grace)
    wrong = []
    try:
        status = job.wait(args.timeout)
    except BaseException:  # our own end must not leave the job behind
        job.kill()
        raise
    elapsed_s = time.monotonic() - job.start
    if status is None:
        wrong.append(f"not finished after {args.timeout:g} s")
        if args.dump_signal:
            for pid in job.look() - {job.process.pid}:
                os.kill(pid, args.dump_signal)
            time.sleep(1.0)
        job.kill()
    elif status == EXIT_SKIP and EXIT_SKIP not in args.exit:
        print(job.text(), end="")
        left = job.settle()
        print("\n".join(left))
        return 1 if left else EXIT_SKIP
    elif status not in expected_statuses(args):
        wrong.append(f"exit status {status} instead of {' or '.join(map(str, args.exit))}")
    if args.max_seconds and elapsed_s > args.max_seconds:
        wrong.append(f"took {elapsed_s:.1f} s instead of at most {args.max_seconds:g} s")
    wrong += job.settle()
    if job.look():
        job.kill()
    text = job.text()
    wrong += check_output(args, text)
    if wrong or args.verbose:
        print(f"$ {' '.join(command)}")
        print(text, end="" if text.endswith("\n") else "\n")
    print("".join(f"FAILED: {line}\n" for line in wrong), end="")
    if not wrong:
        print(f"ok: {elapsed_s:.2f} s, {len(job.seen)} processes")
    return 1 if wrong else 0


def terminated(signum, _frame):
    sys.exit(128 + signum)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--np", type=int, default=1, help="ranks; 0: without mpirun")
    parser.add_argument("--one-core", action="store_true", help="let all ranks share one core")
    parser.add_argument("--timeout", type=float, default=60, help="seconds until the job is ended")
    parser.add_argument("--max-seconds", type=float, help="fail if it takes longer than this")
    parser.add_argument(
        "--grace", type=float, default=5, help="seconds that an ended job may need to disappear"
    )
    parser.add_argument(
        "--exit", type=int, action="append", help="the exit status to see (0), or one of several"
    )
    parser.add_argument("--expect", action="append", default=[], metavar="TEXT")
    parser.add_argument("--expect-re", action="append", default=[], metavar="REGEX")
    parser.add_argument("--forbid-re", action="append", default=[], metavar="REGEX")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--mpi-arg", action="append", default=[], metavar="ARG")
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument(
        "--hydra", action="store_true", help="it is MPICH's, with exit statuses of its own"
    )
    parser.add_argument("--cwd", help="folder to run in")
    parser.add_argument(
        "--dump-signal",
        type=lambda name: getattr(signal, name),
        help="signal, for example SIGUSR1, that makes the processes say where they are after a timeout",
    )
    parser.add_argument("--verbose", action="store_true", help="print the output of a pass too")
    parser.add_argument("command", nargs="+")
    signal.signal(signal.SIGTERM, terminated)
    args = parser.parse_args()
    args.exit = args.exit or [0]
    return run(args)


if __name__ == "__main__":
    sys.exit(main())

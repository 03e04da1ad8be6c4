#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test driver itself: each thing that it must notice is done once, without MPI."""

import os
import re
import signal
import subprocess
import sys
import time
import unittest

import run

DRIVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py")


def drive(*options, shell):
    """Run a shell command under the driver; (exit status, what it printed)."""
    done = subprocess.run(
        [sys.executable, DRIVER, "--np", "0", "--grace", "0.5", *options, "--", "sh", "-c", shell],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Driver(unittest.TestCase):
    def check(self, want_status, want_text, *options, shell):
        status, text = drive(*options, shell=shell)
        self.assertEqual(status, want_status, text)
        self.assertIn(want_text, text)
        return text

    def test_success_is_short(self):
        text = self.check(0, "ok: ", shell="echo much to say")
        self.assertNotIn("much to say", text)

    def test_exit_status(self):
        self.check(1, "exit status 3 instead of 0", shell="echo why; exit 3")
        self.check(0, "ok: ", "--exit", "3", shell="exit 3")
        self.check(0, "ok: ", "--exit", "3", "--exit", "4", shell="exit 4")
        self.check(1, "exit status 0 instead of 3 or 4", "--exit", "3", "--exit", "4", shell="true")
        self.check(1, "exit status 0 instead of 3", "--exit", "3", shell="true")
        self.check(0, "ok: ", "--exit", str(128 + signal.SIGKILL), shell="kill -9 $$")

    def test_output_is_shown_on_failure(self):
        self.check(1, "the cause", shell="echo the cause >&2; exit 1")

    def test_skip(self):
        self.check(77, "skipped: no reason", shell="echo skipped: no reason; exit 77")
        self.check(0, "ok: ", "--exit", "77", shell="exit 77")

    def test_required_and_forbidden_output(self):
        self.check(0, "ok: ", "--expect", "b c", "--expect-re", "^a.*d$", shell="echo a b c d")
        self.check(1, "no line has 'x'", "--expect", "x", shell="echo a")
        self.check(1, "nothing matches /^b/", "--expect-re", "^b", shell="echo a b")
        self.check(1, "must not occur", "--forbid-re", "leak(ed)?", shell="echo 3 bytes leaked")

    def test_a_report_of_a_sanitizer_fails_whatever_the_exit_status(self):
        self.check(1, "must not occur", shell="echo ERROR: LeakSanitizer: detected memory leaks")
        self.check(0, "ok: ", "--exit", "66", shell="echo LeakSanitizer; exit 66")

    def test_environment(self):
        self.check(0, "ok: ", "--env", "C4PY_X=a=b", "--expect", "<a=b>", shell='echo "<$C4PY_X>"')

    def test_one_core(self):
        self.check(0, "ok: ", "--one-core", "--expect-re", "^1$", shell="nproc")

    def test_a_crowd_is_as_many_ranks_as_asked_for_on_one_core(self):
        command = [sys.executable, DRIVER, "--mpiexec", "echo", "--verbose"]
        env = {**os.environ, "C4P_TEST_CROWD": "8"}
        for np, want in (("4", "-n 8 sh"), ("1", "-n 1 sh")):
            done = subprocess.run(
                [*command, "--np", np, "--", "sh"], stdout=subprocess.PIPE, env=env, text=True
            )
            self.assertIn(want, done.stdout)

    def test_crashes_have_other_statuses_with_hydra(self):
        self.assertEqual({9}, run.hydra_statuses(137))
        self.assertEqual({6, 6 | 9}, run.hydra_statuses(134))
        for status in (0, 3, 75, 130):
            self.assertEqual({status}, run.hydra_statuses(status))

    def test_too_slow(self):
        self.check(1, "instead of at most", "--max-seconds", "0.001", shell="true")

    def test_hang_is_ended_with_all_its_processes(self):
        begin = time.monotonic()
        text = self.check(
            1,
            "not finished after 0.5 s",
            "--timeout",
            "0.5",
            shell="setsid sleep 987 & echo pid $!; trap '' TERM; sleep 987; sleep 987",
        )
        self.assertLess(time.monotonic() - begin, 20)
        pid = int(re.search(r"^pid (\d+)$", text, re.MULTILINE).group(1))
        self.assertFalse(is_alive(pid))

    def test_process_left_behind(self):
        text = self.check(
            1, "is left: sleep 986", shell="setsid sleep 986 >/dev/null 2>&1 & echo pid $!; exit 1"
        )
        pid = int(re.search(r"^pid (\d+)$", text, re.MULTILINE).group(1))
        self.assertFalse(is_alive(pid))

    def test_shared_memory_file_left_behind(self):
        job = 0x7E570000 + os.getpid() % 0x10000
        path = f"/dev/shm/vader_segment.test.{job:x}.0"
        # A process that looks like a rank of that job, long enough to be seen.
        shell = f"touch {path}; PMIX_NAMESPACE={job} sleep 0.3"
        self.check(1, f"file {path} is left", shell=shell)
        self.assertFalse(os.path.exists(path))
        other = f"/dev/shm/vader_segment.test.{job + 1:x}.0"
        try:
            self.check(0, "ok: ", shell=f"touch {other}; PMIX_NAMESPACE={job} sleep 0.3")
        finally:
            os.unlink(other)


if __name__ == "__main__":
    unittest.main()

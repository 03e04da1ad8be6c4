# SPDX-License-Identifier: Apache-2.0
"""python -m charmrun.start. Runs in an ordinary Python. Usage: api_31_charmrun.py FOLDER-OF-THE-PACKAGE"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

package = os.path.abspath(sys.argv[1])
sys.path.insert(0, package)
sys.path.insert(
    1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
)
os.environ["PYTHONPATH"] = package

import run as driver  # noqa: E402
from charmrun.start import _split, start  # noqa: E402

os.environ.update(driver.mpi_env(os.environ))

checks = 0


def check(truth, what):
    global checks
    checks += 1
    if not truth:
        sys.exit(f"FAILED: {what}")


def run(*words, status=0, out=(), err="", stdin="", **env):
    done = subprocess.run(
        [sys.executable, "-m", "charmrun.start", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    told = f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    check(done.returncode == status, f"{told}\nexpected status {status}")
    for text in out:
        check(text in done.stdout, f"{told}\nno '{text}' in the output")
    check(err in done.stderr, f"{told}\nno '{err}' in the errors")


SCRIPT = """
import sys
from charm4py import charm
def main(args):
    print(f"{charm.numPes()} ranks, words {args[1:]}", flush=True)
    charm.exit(len(args) - 1)
charm.start(main)
"""

WAITS = """
import os, sys
from charm4py import charm
def main(args):
    print("rank 0 is", os.getpid(), flush=True)
    charm.sleep(600)
charm.start(main)
"""


def refused(words, status, text, **env):
    """What is not even started."""
    told = io.StringIO()
    before = dict(os.environ)
    os.environ.update(env)
    with contextlib.redirect_stderr(told):
        got = start(words)
    os.environ.clear()
    os.environ.update(before)
    check(got == status, f"{words}: status {got}, not {status}")
    check(text in told.getvalue() and "Traceback" not in told.getvalue(), told.getvalue())


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def signals_reach_the_job():
    """Whoever started charmrun ends the job by ending charmrun."""
    with subprocess.Popen(
        [sys.executable, "-m", "charmrun.start", "+p2", "waits.py"],
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        while not (found := re.match(r"rank 0 is (\d+)", job.stdout.readline())):
            pass
        job.terminate()
        check(job.wait(30) != 0, "ended by a signal")
    end = time.monotonic() + 10
    while not is_gone(int(found[1])):
        check(time.monotonic() < end, f"rank 0, process {found[1]}, goes on")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, text in (("prog.py", SCRIPT), ("waits.py", WAITS)):
        with open(name, "w") as file:
            file.write(text)
    with ThreadPoolExecutor() as threads:  # a start mostly waits
        tests = [
            # 31 "[+pN] prog.py args", the status of the job is that of charmrun
            lambda: run("prog.py", out=["1 ranks, words []"]),
            lambda: run(
                "+p3", "prog.py", "a", "-n", "x", status=3, out=["3 ranks, words ['a', '-n', 'x']"]
            ),
            lambda: run("+p", "2", "++local", "prog.py", out=["2 ranks"]),
            lambda: run(
                "++nodelist", "hosts.txt", "++verbose", "+p2", "prog.py", "b", status=1, out=["2 ranks"]
            ),
            lambda: run("prog.py", "a", "+p2", status=1, out=["2 ranks, words ['a']"]),
            lambda: run(
                "-c", "from charm4py import charm; charm.start(lambda a: charm.exit(300))", status=44
            ),
            lambda: run("no_such.py", status=66, err="no_such.py"),
            lambda: run(
                "+p2", "prog.py", out=["2 ranks"], C4PY_MPIEXEC=f"env A=b '{shutil.which('mpirun')}'"
            ),
            # 31 ++interactive runs the console
            lambda: run(
                "++interactive", "+p2", status=6, out=["[0, 10]"],
                stdin="charm.thisProxy.eval('charm.myPe() * 10', ret=True).get()\nexit(6)\n",
            ),
            # 31 start(list) returns the status
            lambda: check(start(["+p2", "prog.py", "c", "d"]) == 2, "start() returns the status"),
            signals_reach_the_job,
        ]  # fmt: skip
        for done in [threads.submit(test) for test in tests]:
            done.result()
    # 31 start([]) takes sys.argv[1:]
    sys.argv = ["charmrun", "+p2", "prog.py", "c"]
    check(start([]) == 1, "start([]) takes the words of this process")
    sys.argv = ["charmrun"]
    refused([], 2, "usage:")
    run(status=2, err="usage:")
    refused(["+p", "many", "prog.py"], 2, "number of ranks")
    refused(["+p0", "prog.py"], 2, "number of ranks")
    refused(["+p"], 2, "number of ranks")
    refused(["prog.py"], 69, "set C4PY_MPIEXEC", PATH="/nowhere", C4PY_MPIEXEC="")
    refused(["prog.py"], 69, "'/no/such', which is no program", C4PY_MPIEXEC="/no/such")
    refused(["prog.py"], 128 + 9, "", C4PY_MPIEXEC="sh -c 'kill -9 $$'")
    check(
        _split(["+p4", "a.py", "-n", "5"]) == (4, False, ["a.py", "-n", "5"]),
        "words of the program are its own",
    )
    check(_split(["++nodelist", "f", "a.py"]) == (1, False, ["a.py"]), "flags of other launchers")

print(f"{checks} checks passed")

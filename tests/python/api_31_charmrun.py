# SPDX-License-Identifier: Apache-2.0
"""python -m charmrun.start. Runs in an ordinary Python. Usage: api_31_charmrun.py FOLDER-OF-THE-PACKAGE"""

import os
import subprocess
import sys
import tempfile

package = os.path.abspath(sys.argv[1])
sys.path.insert(0, package)
sys.path.insert(
    1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
)
os.environ["PYTHONPATH"] = package

import run as driver  # noqa: E402
from charmrun.start import start  # noqa: E402

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

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("prog.py", "w") as file:
        file.write(SCRIPT)
    run("prog.py", out=["1 ranks, words []"])
    run("+p3", "prog.py", "a", "-n", "x", status=3, out=["3 ranks, words ['a', '-n', 'x']"])
    run("+p", "2", "++local", "prog.py", out=["2 ranks"])
    run("++nodelist", "hosts.txt", "++verbose", "+p2", "prog.py", "b", status=1, out=["2 ranks"])
    run("prog.py", "a", "+p2", status=1, out=["2 ranks, words ['a']"])
    run("-c", "from charm4py import charm; charm.start(lambda a: charm.exit(300))", status=44)
    run("no_such.py", status=66, err="no_such.py")
    run(status=2, err="usage:")
    run("+p", "many", "prog.py", status=2, err="number of ranks")
    run("+p0", "prog.py", status=2, err="number of ranks")
    run("prog.py", status=69, err="set C4PY_MPIEXEC", PATH="/nowhere", C4PY_MPIEXEC="")
    run(
        "++interactive", "+p2", status=6, out=["[0, 10]"],
        stdin="charm.thisProxy.eval('charm.myPe() * 10', ret=True).get()\nexit(6)\n",
    )  # fmt: skip
    check(start(["+p2", "prog.py", "c", "d"]) == 2, "start() returns the status")
    sys.argv = ["charmrun", "+p2", "prog.py", "c"]
    check(start([]) == 1, "start([]) takes the words of this process")

print(f"{checks} checks passed")

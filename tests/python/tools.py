# SPDX-License-Identifier: Apache-2.0
"""Ways to start programs besides the launcher: python -m c4py and c4py.testing (charmrun: api_31_charmrun.py). Runs in an ordinary Python.

Usage: tools.py DIRECTORY, which holds the packages (and the extension module) of the build.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor

package_dir = sys.argv[1]
sys.path.insert(0, package_dir)
os.environ["PYTHONPATH"] = package_dir
sys.path.insert(
    1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
)

import run as driver  # noqa: E402
from c4py.testing import run_program  # noqa: E402

os.environ.update(driver.mpi_env(os.environ))

checks = 0
runs = []
threads = ThreadPoolExecutor()

SCRIPT = """
import sys
from charm4py import charm, Group, Chare
import sibling

class Hello(Chare):
    def words(self):
        return charm.myPe(), sys.argv[1:], __name__, sibling.VALUE

def main(args):
    answer = Group(Hello).words(ret=True).get()
    assert answer == [(pe, sys.argv[1:], "__main__", 42) for pe in range(charm.numPes())], answer
    assert args == sys.argv and args[0].endswith("script.py") and sys.modules["__main__"].main is main
    print("words", args[1:], "on", charm.numPes())
    charm.exit(5)

charm.start(main)
"""


def check(truth, what):
    global checks
    checks += 1
    if not truth:
        sys.exit(f"FAILED: {what}")


def run(*command, **expected):
    """A start mostly waits, so several run at a time."""
    runs.append(threads.submit(run_now, *command, **expected))


def run_now(*command, status, text, absent=None, **kwargs):
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True, **kwargs
    )
    check(
        result.returncode == status,
        f"{command}: status {result.returncode}, expected {status}\n{result.stdout}",
    )
    check(text in result.stdout, f"{command}: no '{text}' in\n{result.stdout}")
    check(
        absent is None or absent not in result.stdout, f"{command}: '{absent}' in\n{result.stdout}"
    )


with tempfile.TemporaryDirectory() as folder:
    script = os.path.join(folder, "script.py")
    with open(script, "w") as file:
        file.write(SCRIPT)
    with open(os.path.join(folder, "sibling.py"), "w") as file:
        file.write("VALUE = 42\n")
    py = [sys.executable, "-m", "c4py"]
    run(*py, script, "a", "-b", status=5, text="words ['a', '-b'] on 1", absent="never started")
    run(*py, "--help", status=0, text="usage:", absent="never started")
    run(*py, status=2, text="usage:")
    run(*py, "--version", status=0, text="c4py ", absent="never started")
    run(*py, "--bogus", status=2, text="unknown option --bogus")
    run(*py, "no_such_file.py", status=66, text="cannot read no_such_file.py: No such file")
    run(
        *py,
        "-c",
        "import sys; print(__name__, sys.argv)",
        "x",
        status=0,
        text="__main__ ['-c', 'x']",
    )
    run(*py, "-", status=0, text="from stdin __main__", input="print('from stdin', __name__)")
    run(*py, "-m", "this_module_does_not_exist", status=1, text="No module named")
    run(*py, "-c", "import charm4py", status=0, text="never started")
    nearest = "C4PY_STAL, which is no setting; did you mean C4PY_STALL?"
    misspelt = {**os.environ, "C4PY_STAL": "off"}
    run(*py, script, status=2, text=nearest, absent="Traceback", env=misspelt)
    run(sys.executable, script, status=2, text=nearest, absent="never started", env=misspelt)
    run(*py, "-c", "raise ValueError('plain error')", status=1, text="ValueError: plain error")
    run(
        sys.executable, "-c", "import os; os.environ['CHARM_NOLOAD'] = '1'; import charm4py; print(hasattr(charm4py, 'charm'))",
        status=0, text="False",
    )  # fmt: skip

    result = run_program(script, ["w"], ranks=2, timeout_s=30)
    check(result.status == 5 and "words ['w'] on 2" in result.output, f"run_program: {result}")
    endless = os.path.join(folder, "endless.py")
    with open(endless, "w") as file:
        file.write(
            textwrap.dedent("""
            from charm4py import charm
            def main(args):
                charm.sleep(600)
            charm.start(main)
        """)
        )
    result = run_program(endless, ranks=1, timeout_s=2)
    check(result.timed_out and result.status != 0, f"a run that is too long is ended: {result}")
    for done in runs:
        done.result()

print(f"{checks} checks passed")

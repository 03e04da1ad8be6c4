# SPDX-License-Identifier: Apache-2.0
"""The command line of the launcher, its exit statuses and signals. Runs in an ordinary Python.

Usage: launcher.py PATH-OF-LAUNCHER
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading

launcher = os.path.abspath(sys.argv[1])
checks = 0
env = {k: v for k, v in os.environ.items() if not k.startswith(("C4PY_", "VIRTUAL_ENV", "CONDA_"))}


def run(*args, stdin="", expect=0, out=None, err=None, **more):
    """Run the launcher; check its status, and parts of its output."""
    global checks
    done = subprocess.run(
        [launcher, *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        env={**env, **more},
    )
    told = f"{args}: status {done.returncode}, output {done.stdout!r}, errors {done.stderr!r}"
    assert done.returncode == expect, f"{told}; expected status {expect}"
    assert out is None or out in done.stdout, f"{told}; expected output {out!r}"
    assert err is None or err in done.stderr, f"{told}; expected errors {err!r}"
    checks += 1
    return done


def script(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def version():
    return f"{sys.version_info.major}.{sys.version_info.minor}"


SERVE = """
import time
from charm4py import *

class Busy(Chare):
    def spin(self):
        print("ready", flush=True)
        while True:
            time.sleep(0.01)

    @coro
    def waits(self, f):
        f.get()

    def says_ready(self):
        print("ready", flush=True)

def main(args):
    b = Chare(Busy)
    if args[1] == "spin":
        b.spin()
    charm.sleep(0)
    if args[1] == "crash":
        import ctypes
        print("ready", flush=True)
        ctypes.string_at(8)
    f = Future()
    charm.scheduleCallableAfter(f, 25)
    b.waits(f)
    b.says_ready()  # comes when both wait
    f.get()

charm.start(main)
"""


def with_signal(mode, signals, expect, *texts):
    """Start the program above, send signals when it is ready, check status and what it says."""
    global checks
    program = subprocess.Popen(
        [launcher, "--quiet", "serve.py", mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    patience = threading.Timer(60, program.kill)  # then it fails with what was said until then
    patience.start()
    said = program.stdout.readline()
    for sig in signals:
        program.send_signal(sig)
        if sig == signal.SIGUSR1:  # wait for the report that it asks for
            for line in program.stderr:
                said += line
                if "Busy.waits" in line:
                    break
    out, err = program.communicate()
    patience.cancel()
    said += out + err
    assert program.returncode == expect, f"{mode} {signals}: {program.returncode}, {said}"
    for text in texts:
        assert text in said, f"{mode} {signals}: {said!r}; expected {text!r}"
    checks += 1


def command_line():
    run("--help", out="mpirun -n 4 c4py_launcher main.py")
    run("--help", out="--stall=abort|warn|off")
    run("--version", out="C4Py ")
    run("--info", out="greenlet")
    run(expect=2, err="no program given")
    run("--stal=warn", "x.py", expect=2, err="did you mean '--stall'")
    run("--no-such-thing-at-all", expect=2, err="there is no option")
    run("--stall", expect=2, err="needs a value: abort|warn|off")
    run(
        "--stall=sometimes",
        "-c",
        "from charm4py import *; charm.start(print)",
        expect=2,
        err="abort|warn|off",
    )
    run("-c", expect=2, err="needs a value")
    run("nosuch.py", expect=66, err="cannot read the program 'nosuch.py'")
    nearest = "C4PY_STAL, which is no setting of C4Py; did you mean C4PY_STALL?"
    run("-c", "pass", expect=2, err=nearest, C4PY_STAL="warn")
    run("-c", "pass", expect=2, err="C4PY_WIBBLEWOBBLE, which is no setting", C4PY_WIBBLEWOBBLE="1")
    program = ["-c", "from charm4py import *; charm.start(lambda args: exit(len(args)))"]
    idle = "'+pemap', '++debug': accepted, but have no effect"
    done = run(*program, "+pemap", "0-3", "++debug", "word", expect=2, err=idle)
    assert done.stderr.count("no effect") == 1, done.stderr
    done = run(*program, "+pemap", "0-3", expect=1, C4PY_QUIET="1")
    assert "no effect" not in done.stderr, done.stderr
    done = run("--quiet", *program, "+pemap", "0-3", expect=1)
    assert "no effect" not in done.stderr, done.stderr
    run("-c", "pass", C4PY_MPIEXEC="mpirun")  # for charmrun, which passes its environment on


def like_python():
    run(
        "-c",
        "import sys; print(sys.argv, sys.path[0] == '')",
        "a",
        "b",
        out="['-c', 'a', 'b'] True",
    )
    run("-c", "import sys; sys.exit(5)", expect=5)
    run("-c", "1 // 0", expect=1, err="ZeroDivisionError")
    run("-c", "import sys; sys.exit('text')", expect=1, err="text")
    run("-", "x", stdin="import sys; print(__name__, sys.argv)", out="__main__ ['-', 'x']")
    run("-m", "this", out="Zen")
    run("-m", "no_such_module", expect=1, err="No module named no_such_module")
    os.mkdir("folder")
    script("folder/__main__.py", "import helper; print(__name__, helper.VALUE)")
    script("folder/helper.py", "VALUE = 42")
    run("folder", out="__main__ 42")
    script("plain.py", "import sys, helper; print(__name__, __file__, sys.argv, helper.VALUE)")
    script("helper.py", "VALUE = 43")
    run("plain.py", "-x", "--help", out="plain.py ['plain.py', '-x', '--help'] 43")
    run("-c", "import charm4py", err="the runtime was never started")
    script(
        "wrong.py",
        "from charm4py import *\nclass A(Chare):\n    def wait(self): pass\ncharm.start(lambda args: None)",
    )
    for words in (["-c", "import charm4py; 1 / 0"], ["wrong.py"]):
        run(*words, expect=1, err="never started: an exception ended the script before that")
    caught = "from charm4py import *\ntry: charm.start(5)\nexcept AssertionError: pass"
    run("-c", caught, err="never started: charm.start() failed")
    script("quiet.py", "from charm4py import *\ncharm.start(lambda args: charm.exit(len(args)))")
    for name, value, text in (
        ("EVERY", "-5s", "C4PY_EVERY=-5s: write a time as 90s, 10m or 1h30m"),
        ("WALLTIME", "1h30", "C4PY_WALLTIME=1h30: write a time"),
        ("EVERY", "10m", "need a directory: C4PY_CHECKPOINT, or --checkpoint DIR"),
        ("RESTART", "auto", "restart auto needs the directory"),
        ("BALANCER", "greed", "there is no strategy 'greed'"),
        (
            "PYTHON",
            "/no/python",
            "C4PY_PYTHON (--python) names /no/python, which is no executable file",
        ),
        ("PYTHON", "/tmp", "which is no executable file"),
        ("STALL", "never", "C4PY_STALL=never is not allowed; allowed values: abort|warn|off"),
    ):
        run("quiet.py", expect=2, err=text, **{f"C4PY_{name}": value})
    run("--quiet", "quiet.py", "a", expect=2, out="")
    assert run("--quiet", "quiet.py", expect=1).stdout == ""
    run("quiet.py", expect=1, out="1 rank")


def environments():
    python = subprocess.run(
        [launcher, "-c", "import sys; print(sys.executable)"],
        capture_output=True,
        text=True,
        env=env,
    ).stdout.strip()
    for name, extra in (("with", ["--system-site-packages"]), ("without", [])):
        subprocess.run([python, "-m", "venv", "--without-pip", *extra, name], check=True)
    run(
        "-c",
        "import sys; print(sys.prefix)",
        out=os.path.abspath("with"),
        VIRTUAL_ENV=os.path.abspath("with"),
    )
    run("-c", "pass", expect=2, err="no package 'greenlet'", VIRTUAL_ENV=os.path.abspath("without"))
    config = open("with/pyvenv.cfg").read().splitlines()
    config = [line if not line.startswith("version") else "version = 3.1.0" for line in config]
    script("with/pyvenv.cfg", "\n".join(config))
    run(
        "-c",
        "print('runs')",
        out="runs",
        err="of Python 3.1, this launcher is of",
        VIRTUAL_ENV=os.path.abspath("with"),
    )


def signals():
    script("serve.py", SERVE)
    with_signal("wait", [signal.SIGTERM], 143, "signal 15")
    with_signal("wait", [signal.SIGINT], 130, "interrupted")
    with_signal("spin", [signal.SIGINT], 130, "interrupted in Busy entry spin")
    with_signal("spin", [signal.SIGTERM], 143, "signal 15")
    with_signal(
        "wait",
        [signal.SIGUSR1, signal.SIGTERM],
        143,
        "most recent call first",
        "Busy.waits",
        "serve.py",
    )
    with_signal("crash", [], -signal.SIGSEGV, "rank 0/1", "SIGSEGV", "C stack", "serve.py")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        command_line()
        like_python()
        environments()
        signals()
        os.chdir("/")
    print(f"{checks} checks passed")


main()

# SPDX-License-Identifier: Apache-2.0
"""The interactive shell: sessions piped into rank 0. Runs in an ordinary Python. Usage: api_25_interactive.py FOLDER-OF-THE-PACKAGE"""

import os
import re
import select
import signal
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

import run as driver  # noqa: E402
from charmrun.launch import job_command, launcher_command  # noqa: E402

os.environ.update(driver.mpi_env(os.environ))

checks = 0
LAUNCHER = launcher_command()
MODULE = ["-m", "charm4py.interactive"]


def session(text, ranks=2, status=0, program=MODULE, **env):
    """What the shell prints on standard output, without prompts, and on standard error."""
    global checks
    done = subprocess.run(
        job_command(ranks, program),
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    if done.returncode != status:
        sys.exit(
            f"FAILED: status {done.returncode}, not {status}\n{text}\n{done.stdout}\n{done.stderr}"
        )
    checks += 1
    return re.sub(r"^((>>>|\.\.\.) ?)+", "", done.stdout, flags=re.MULTILINE), done.stderr


def expect(told, *patterns, absent=()):
    """Each pattern is found, one after the other."""
    global checks
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(told, at)
        if not found:
            sys.exit(f"FAILED: no /{pattern}/ after\n{told[:at]}\n---- in\n{told[at:]}")
        at = found.end()
        checks += 1
    for pattern in absent:
        if re.search(pattern, told, re.MULTILINE):
            sys.exit(f"FAILED: /{pattern}/ in\n{told}")
        checks += 1


# 25 the namespace; expressions echo; future() and _f; what else is defined stays on rank 0; exit(code)
def names_and_echo():
    out, err = session("""
1 + 1
None
_
x = [1, 2]
x
charm.numPes(), charm.myPe()
[c.__name__ for c in (Chare, Group, Array, Channel, coro, threaded)]
isinstance(self, Chare), Reducer is charm.reducers
charm.options.remote_exec
sys.ps1, sys.ps2
x = 5; y = x
y
f = future()
f is _f
_f(5)
f.get()
for i in range(2):
    print("loop", i)

def double(x):
    return 2 * x

double(21)
charm.thisProxy[1].eval("'double' in globals()", ret=True).get()
exit(7)
""", status=7)  # fmt: skip
    expect(
        out, "^c4py interactive", "^2$", "^2$", r"^\[1, 2\]$", r"^\(2, 0\)$", "^.'Chare', 'Group', 'Array'",
        r"^\(True, True\)$", "^True$", r"^\('>>> ', '\.\.\. '\)$", "^5$", "^True$", "^5$", "^loop 0", "^loop 1",
        "^42$", "^False$",
    )  # fmt: skip
    expect(err, absent=["Traceback"])


# 25 a block with a chare class is run and registered on all ranks; a failing one is not
def classes():
    out, err = session("""
class A(Chare):
    def __init__(self, n=0):
        self.n = n
    def get(self):
        return self.n, charm.myPe()
    @coro
    def ask(self, other):
        return other.get(ret=True).get()

a = Group(A, args=[3])
a.get(ret=True).get()
Array(A, 4).get(ret=True).get() == [(0, i // 2) for i in range(4)]
a[1].ask(a[0], ret=True).get()
class A(Chare):
    def get(self):
        return "new", charm.myPe()

Group(A).get(ret=True).get()
a.get(ret=True).get()
class B(A): pass

Group(B).get(ret=True).get()
class Plain:
    pass

charm.thisProxy[1].eval("'Plain' in globals()", ret=True).get()
class C(Chare):
    x = 1 // charm.myPe()

class D(Chare):
    def get(self): return "D"

Group(D).get(ret=True).get()
if True:
    tag = "in a block"
    class G(Chare):
        def get(self): return tag

Group(G).get(ret=True).get()
def hides():
    class Hidden(Chare): pass
    return Hidden

charm.thisProxy[1].eval("'hides' in globals()", ret=True).get()
""")  # fmt: skip
    expect(
        out, "class A is defined on every rank", r"^\[\(3, 0\), \(3, 1\)\]$", "^True$", r"^\(3, 0\)$",
        "class A is defined", r"^\[\('new', 0\), \('new', 1\)\]$", r"^\[\(3, 0\), \(3, 1\)\]$",
        "class B is defined", r"^\[\('new', 0\), \('new', 1\)\]$", "^False$",
        "class D is defined", r"^\['D', 'D'\]$", "class G is defined", r"^\['in a block', 'in a block'\]$", "^False$",
        absent=["Plain is defined", "class C is defined", "Hidden is defined"],
    )  # fmt: skip
    expect(err, "^ZeroDivisionError", absent=["charm.exit"])


def sent():
    """Functions and classes that stay on rank 0 travel by value; actor classes go to all ranks."""
    out, err = session("""
factor = 3
def times(x):
    return factor * x, charm.myPe()

sorted(charm.pool.map(times, range(3)))
class Plain:
    def __init__(self, x):
        self.x = x

class A(Chare):
    def back(self, plain):
        plain.x += 1
        return plain
    def which(self, cls):
        return cls is type(self)

a = Group(A)
p = a[3].back(Plain(4), ret=True).get()
p.x, type(p) is Plain
a.which(A, ret=True).get()
from charm4py import ray
ray.init()
@ray.remote
def count(n):
    return n and 1 + ray.get(count.remote(n - 1))

ray.get(count.remote(4))
@ray.remote
class Actor:
    def where(self):
        return charm.myPe()

[ray.get(Actor.remote().where.remote()) for _ in range(4)]
exit()
""", ranks=4)  # fmt: skip
    expect(
        out, r"^\[\(0, \d\), \(3, \d\), \(6, \d\)\]$", r"^\(5, True\)$", r"^\[True, True, True, True\]$",
        "^4$", "class Actor is defined", r"^\[0, 1, 2, 3\]$", absent=[r"\(0, 0\)"],
    )  # fmt: skip
    expect(err, absent=["Traceback"])


# 25 imports run on all ranks, with their chare classes; failing ones do not; the two options
def imports(folder):
    with open(os.path.join(folder, "mine.py"), "w") as file:
        file.write(
            "from charm4py import Chare, charm, ray\nclass M(Chare):\n    def get(self):\n        return charm.myPe()\n"
            "@ray.remote\nclass Act(M): pass\n"
        )
    out, err = session("""
import mine
Group(mine.M).get(ret=True).get()
mine.ray.init()
[mine.ray.get(mine.Act.remote().get.remote()) for _ in range(2)]
from mine import M as Other; other = Other
charm.thisProxy.eval("Other.__name__, mine.__name__", ret=True).get()
import no_such_module
charm.thisProxy.eval("'no_such_module' in globals()", ret=True).get()
charm.options.interactive.broadcast_imports = False
import fractions
charm.thisProxy.eval("'fractions' in globals()", ret=True).get()
charm.options.interactive.verbose = 0
charm.options.interactive.broadcast_imports = True
import decimal
charm.thisProxy.eval("'decimal' in globals()", ret=True).get()
class Quiet(Chare): pass

""", PYTHONPATH=folder)  # fmt: skip
    expect(
        out, "^.c4py. 'import mine' was run on every rank", r"^\[0, 1\]$", r"^\[0, 1\]$",
        "'from mine import M as Other' was run", r"^\[\('M', 'mine'\), \('M', 'mine'\)\]$",
        r"^\[False, False\]$", r"^\[True, False\]$", r"^\[True, True\]$", absent=["decimal' was run", "Quiet is defined"],
    )  # fmt: skip
    expect(err, "^ModuleNotFoundError: No module named 'no_such_module'")


# 25 exceptions leave the session alive, remote ones show their rank; at most one report a second; sys.excepthook
def errors():
    out, err = session("""
1 // 0
x +
class E(Chare):
    def fail(self):
        raise LookupError("from afar")
    def __reduce__(self): pass

class F(Chare):
    def __init__(self):
        if charm.myPe(): raise KeyError("constructor")

e = Group(E)
e[1].fail(ret=True).get()
for _ in range(20):
    e[1].fail()

charm.awaitCreation(Group(F))
charm.waitQD()
import sys, time
sys.excepthook = lambda kind, error, trace: print("hook:", kind.__name__, error)
1 // 0
e[1].fail(awaitable=True).get()
print("still here")
""")  # fmt: skip
    expect(out, "^hook: ZeroDivisionError", "^hook: LookupError from afar", "^still here$")
    expect(err, "^ZeroDivisionError", "^SyntaxError", "LookupError: from afar")
    expect(
        err,
        "^which came from rank 1",
        "An exception that nobody waits for, on rank 1 in E.fail of E",
    )
    reports = err.count("An exception that nobody waits for")
    if not 1 <= reports <= 5:
        sys.exit(f"FAILED: {reports} reports of 21 exceptions, at most one a second")


# 25 a wait in vain is given up after about two seconds and gives None; sleep and waitQD are not
def waits_in_vain():
    begin = time.monotonic()
    out, err = session("""
f = future()
print("got", f.get())
print("and", f.get())
charm.sleep(3)
print("slept")
charm.waitQD()
print("quiet")
print(Channel(self, self.thisProxy).recv())
f(3)
print("now", f.get())
""")  # fmt: skip
    expect(
        out, "given up: .* waits for future .*<console>", "^got None", "^slept", "^quiet", "given up: .* channel", "^now 3",
    )  # fmt: skip
    expect(err, "^c4py.Charm4PyError: the wait was cancelled", absent=["stalled"])
    if time.monotonic() - begin > 30:
        sys.exit("FAILED: waits are given up after about two seconds each")


def waits_not_in_vain():
    """Somebody sleeps, or a timer is set: what is waited for may come, after more than two seconds."""
    out, _ = session("""
class Sleeper(Chare):
    @coro
    def sleeps(self):
        charm.sleep(3.5)
        return "woke up"

Group(Sleeper)[1].sleeps(ret=True).get()
f = future()
charm.scheduleCallableAfter(f, 3.5, ["fired"])
f.get()
""")  # fmt: skip
    expect(out, "^'woke up'$", "^'fired'$", absent=["given up"])


class Typist:
    """Somebody at the keyboard of a shell of one rank, who presses ^C, too."""

    def __init__(self):
        self.shell = subprocess.Popen(
            [*LAUNCHER, *MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.told = b""

    def until(self, text):
        """Read what is printed, up to this."""
        end = time.monotonic() + 30
        while text not in self.told:
            if not select.select([self.shell.stdout], [], [], end - time.monotonic())[0]:
                sys.exit(f"FAILED: no {text} in {self.told}")
            part = os.read(self.shell.stdout.fileno(), 4096)
            if not part:
                sys.exit(f"FAILED: the shell ended without {text}: {self.told}")
            self.told += part
        before, _, self.told = self.told.partition(text)
        return before

    def type(self, line):
        self.shell.stdin.write(line + b"\n")
        self.shell.stdin.flush()

    def interrupt(self):
        self.shell.send_signal(signal.SIGINT)


# 25 the prompts; KeyboardInterrupt clears what was typed in and ends what runs
def interrupts():
    global checks
    me = Typist()
    try:
        types_and_interrupts(me)
    finally:
        me.shell.kill()
    checks += 6


def hangs_up():
    """Whoever typed is gone, without an end of the input: so is the shell."""
    global checks
    me = Typist()
    try:
        me.until(b">>> ")
        me.shell.stdout.close()
        me.type(b"1 // 0")
        me.type(b"print('nobody reads this')")
        if me.shell.wait(30) != 1:
            sys.exit(f"FAILED: status {me.shell.returncode} without a reader")
    finally:
        me.shell.kill()
    checks += 1


def types_and_interrupts(me):
    me.until(b">>> ")
    me.type(b"for i in range(3):")
    me.until(b"... ")
    me.interrupt()  # what was typed in is thrown away, and the next line is a new statement
    me.until(b"KeyboardInterrupt")
    me.until(b">>> ")
    me.type(b"print('a', 1)")
    me.until(b"a 1\n>>> ")
    me.type(b"line = input('? ')")  # only the lines that it asks for are the shell's
    me.until(b"? ")
    me.type(b"mine")
    me.until(b">>> ")
    me.type(b"line, print('spin')\nwhile True: pass\n")
    me.until(b"spin\n('mine', None)")
    me.until(b"... ")
    me.interrupt()
    me.until(b"KeyboardInterrupt\n")
    me.type(b"print('sleep'); charm.sleep(600)")
    me.until(b"sleep\n")
    me.interrupt()
    me.until(b"KeyboardInterrupt\n")
    me.type(b"print('wait'); print('got', future().get())")
    me.until(b"wait\n")
    me.interrupt()
    if b"got" in me.until(b"KeyboardInterrupt\n"):
        sys.exit("FAILED: the statement goes on after an interrupt")
    me.type(b"print('b', 2)")
    me.until(b"b 2\n")
    me.type(b"exit(5)")
    if me.shell.wait(30) != 5:
        sys.exit(f"FAILED: status {me.shell.returncode}")


# 25 the end of the input, exit codes, charm.start(interactive=True), input() of the program
def ends(folder):
    out, _ = session("")
    expect(out, "^c4py interactive shell on 2 ranks")
    script = f"exec {' '.join([*LAUNCHER, *MODULE])} 2>&- >&-"  # nothing to write to
    done = subprocess.run(["sh", "-c", script], input=b"1 // 0\nprint(5)\nexit(9)\n", timeout=60)
    if done.returncode != 9:
        sys.exit(f"FAILED: status {done.returncode} without output")
    out, _ = session("Array\nprint('one rank')", ranks=1)  # the last line without a newline
    expect(out, "one rank")
    out, _ = session("for i in range(2):\n    print('block', i)")  # the input ends in a block
    expect(out, "block 1")
    out, err = session(
        "print('before')\nx = (1,\n", ranks=1
    )  # or in a statement that cannot be whole
    expect(out, "^before$")
    expect(err, "^SyntaxError: the input ended inside a statement")
    session("raise SystemExit('text')\n", status=1)
    session("charm.thisProxy[1].exit(4)\ncharm.sleep(60)\n", status=4)
    script = os.path.join(folder, "shell.py")
    with open(script, "w") as file:
        file.write(
            "from charm4py import *\nclass Mine(Chare):\n    def get(self): return 'Mine'\ncharm.start(interactive=True)\n"
        )
    out, _ = session(
        "Group(Mine).get(ret=True).get()\nline = input()\nread by the program\nline\n",
        program=[script],
    )
    expect(out, r"^\['Mine', 'Mine'\]", "^'read by the program'")
    out, _ = session("print('by the other name')\n", program=["-m", "c4py.interactive"])
    expect(out, "by the other name")


with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as threads:
    tests = (
        waits_in_vain,  # the longest ones, which do nothing for most of their time
        waits_not_in_vain,
        names_and_echo,
        classes,
        sent,
        lambda: imports(folder),
        errors,
        interrupts,
        hangs_up,
        lambda: ends(folder),
    )
    for done in [threads.submit(test) for test in tests]:
        done.result()

print(f"{checks} checks passed")

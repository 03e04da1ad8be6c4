# SPDX-License-Identifier: Apache-2.0
"""How programs end: exits and their status, abort, exceptions that nobody waits for. Runs in an ordinary Python and starts itself as a
program, once for each case.

Usage: api_05_exit.py LAUNCHER MPIEXEC; as a program: api_05_exit.py CASE [CODE].

Each case stands below the statement that it shows. The cases of errors/exits.py and errors/uncaught.py belong to the
same statements and are named there; tests/python/CMakeLists.txt says what each of them must give.
"""

import atexit
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

if len(sys.argv) == 3 and os.path.exists(sys.argv[1]):
    charm = None  # this is the driver
else:
    from charm4py import *

    class Ender(Chare):
        def __init__(self, code=None):
            if code is not None:
                sys.exit(code)

        def charm_exit(self, code):
            charm.exit(code)
            print("must not be reached", flush=True)

        def system_exit(self, code):
            raise SystemExit(code)

        def calls(self, callback, *args):
            callback(*args)

        def gives(self, callback, *value):
            self.reduce(callback, *value)

        def writes_and_exits(self):
            sys.stdout.write("no newline on stdout")
            sys.stderr.write("no newline on stderr")
            charm.exit()

        @coro
        def catches(self):
            try:
                exit(3)
            except SystemExit as error:
                print("seen:", error.code, flush=True)
                charm.sleep(0)
                charm.exit(4)

        @when("self.leaves()")
        def guarded(self):
            pass

        def leaves(self):
            exit(9)

        @coro
        def waits(self):
            self.wait("1 // 0")

        def spins(self):
            while True:
                pass

        def aborts(self):
            charm.abort("no use to go on")

        def fails(self, kind, *text):
            raise kind(*text)

    class Waits(Chare):
        @coro
        def __init__(self):
            charm.sleep(0)
            sys.exit(6)

    class Special(BaseException):
        """Neither an Exception nor one that means an exit."""

    class Mute(Exception):
        def __str__(self):
            raise ValueError("has no text")

    def leaving_reducer(contributions):
        exit(11)

    Reducer.addReducer(leaving_reducer)

    def failing_section(chare):
        raise LookupError("the section function fails")


# ---- the cases as programs -------------------------------------------------------------------------


def main(args):
    case = args[1]
    code = eval(args[2]) if len(args) > 2 else None
    last = charm.numPes() - 1
    group, ender = Group(Ender), Chare(Ender, onPE=last)
    thisProxy = charm.thisProxy
    {
        "charm_exit": lambda: ender.charm_exit(code),
        "system_exit": lambda: ender.system_exit(code),
        "no_code": lambda: ender.calls(thisProxy.exit),
        "by_proxy": lambda: thisProxy[last].exit(code),
        "by_broadcast": lambda: thisProxy.exit(code),
        "by_reduction": lambda: group.gives(thisProxy[last].exit, code, Reducer.max),
        "by_empty_reduction": lambda: group.gives(thisProxy[0].exit),
        "by_quiescence": lambda: charm.startQD(thisProxy[last].exit),
        "awaited": lambda: ender.system_exit(code, awaitable=True).get(),
        "all_awaited": lambda: group.system_exit(code, ret=True).get(),
        "array_constructor": lambda: Array(Ender, 3, args=[code]),
        "coroutine_constructor": lambda: charm.awaitCreation(Chare(Waits, onPE=last)),
        "task": lambda: charm.pool.Task(sys.exit, [code], ret=True).get(),
        "condition": lambda: ender.guarded(),
        "reducer": lambda: group.gives(Future(), 1, Reducer.leaving_reducer),
        "quit": lambda: quit(),
        "unflushed": lambda: ender.writes_and_exits(),
        "catches": lambda: ender.catches(),
        "abort": lambda: charm.abort("asked for in main"),
        "abort_elsewhere": lambda: (group[0].spins(), ender.aborts()),
        "abort_without_text": lambda: charm.abort(),
        "fails": lambda: ender.fails(IndexError, "too far"),
        "base_exception": lambda: ender.fails(Special, "of another kind"),
        "without_text": lambda: ender.fails(IndexError),
        "mute": lambda: ender.fails(Mute),
        "wait_condition": lambda: ender.waits(),
        "section_function": lambda: charm.split(group, 1, failing_section),
    }[case]()
    charm.sleep(10)
    print("must not be reached", flush=True)


# ---- what they must do -----------------------------------------------------------------------------

#: Case and argument, ranks, status, texts (regular expressions) in the output.
CASES = [
    # 5.1 charm.exit() ends the job from any rank and does not return; 0 is the default.
    # errors/exits.py: main, charm_exit, charm_exit_code, charm_other_rank, all_at_once, messages_left, call_after_exit, swallows*
    ("charm_exit 0", 1, 0),
    ("charm_exit 7", 4, 7),
    ("no_code", 2, 0),
    # 5.1 the status is the code modulo 256; bool is int; None is 0; anything else is printed and gives 1.
    # errors/exits.py: modulo, modulo_large, negative, true, text, none
    ("charm_exit 300", 1, 44),
    ("charm_exit -1", 1, 255),
    ("charm_exit True", 1, 1),
    ("charm_exit 'text of charm.exit'", 2, 1, "text of charm.exit"),
    ("system_exit 7", 2, 7),
    ("system_exit 2**70+5", 1, 5),
    ("system_exit 'text of SystemExit'", 1, 1, "text of SystemExit"),
    ("system_exit 2.5", 1, 1, r"2\.5"),
    ("system_exit [1,2]", 1, 1, r"\[1, 2\]"),
    # 5.1 charm.thisProxy.exit, of one and of all ranks, and as a callback of anything.
    # errors/exits.py: this_proxy, broadcast, reduction, quiescence
    ("by_proxy 3", 4, 3),
    ("by_broadcast 5", 4, 5),
    ("by_reduction 7", 2, 7),
    ("by_empty_reduction", 1, 0),
    ("by_quiescence", 2, 0),
    # 5.1 SystemExit in entry methods, coroutines, constructors, tasks; no caller gets it.
    # errors/exits.py: main_code, other_rank, coroutine, async, constructor, task, nested_task, timer
    ("awaited 9", 2, 9),
    ("all_awaited 10", 2, 10),
    ("array_constructor 12", 2, 12),
    ("coroutine_constructor", 2, 6),
    ("task 13", 2, 13),
    ("condition", 1, 9),
    ("reducer", 2, 11),
    ("quit", 1, 0),
    # 5.1 text without a newline is not lost, and atexit handlers run (2.2). errors/exits.py: partial_line
    ("unflushed", 2, 0, "no newline on stdout", "no newline on stderr", "the end of rank 1"),
    # 5.1 the program sees the exception first. errors/exits.py: seen_first
    ("catches", 2, 4, "seen: 3"),
    # 5.2 abort: rank, message, where; all ranks end, whatever they do; status 1. errors/uncaught.py: abort
    ("abort", 1, 1, r"rank 0/1(.|\n)*asked for in main(.|\n)*api_05_exit.py(.|\n)* in main"),
    ("abort_elsewhere", 4, 1, r"rank 3/4(.|\n)*no use to go on(.|\n)* in aborts"),
    ("abort_without_text", 1, 1, "rank 0/1"),
    # 5.3 an exception that nobody waits for: rank, traceback, "Type: text"; the status is not 0.
    # errors/uncaught.py: method, everywhere, coroutine, asynchronous, main, constructor*, argument_count, suspend, timer, task;
    # inside the runtime: unpickle, reducer, map_fails, map_range, condition; with the traceback of another rank: origin;
    # other BaseExceptions: interrupt, interrupt_awaited, stops_awaited. The shell goes on: api_25_interactive.py.
    ("fails", 4, 1, r"rank 3/4(.|\n)*Traceback(.|\n)*in fails(.|\n)*IndexError: too far"),
    ("without_text", 1, 1, "(?m)^ *IndexError$"),
    ("mute", 1, 1, r"rank 0/1(.|\n)*Mute"),
    ("base_exception", 2, 1, r"rank 1/2(.|\n)*Special: of another kind"),
    ("wait_condition", 1, 1, "ZeroDivisionError"),
    ("section_function", 2, 1, "LookupError: the section function fails"),
]

NOT_STARTED = "was never started"
#: Program text, ranks, status, texts: errors before the runtime is up are ordinary exceptions on each rank (2.2), and a process that
#: ends without a start says so (1.3).
SCRIPTS = [
    ("import charm4py", 2, 0, f"(?s){NOT_STARTED}.*{NOT_STARTED}"),
    (
        "from charm4py import *; charm.start(5)",
        2,
        1,
        f"(?s){NOT_STARTED}.*{NOT_STARTED}",
        "(?s)AssertionError.*AssertionError",
    ),
    ("from charm4py import *; charm.exit(3)", 1, 1, "Charm4PyError", NOT_STARTED),
]


def start(command):
    env = {**os.environ, "C4PY_QUIET": "1"}
    out = subprocess.PIPE
    return subprocess.run(
        command, stdout=out, stderr=subprocess.STDOUT, text=True, timeout=60, env=env
    )


def judge(what, done, status, texts, forbidden):
    wrong = []
    if done.returncode != status:
        wrong.append(f"status {done.returncode} instead of {status}")
    wrong += [f"nothing matches /{text}/" for text in texts if not re.search(text, done.stdout)]
    wrong += [f"'{text}' must not occur" for text in forbidden if text in done.stdout]
    return [f"FAILED {what}: {line}\n{done.stdout}" for line in wrong]


def drive(launcher, mpiexec):
    def run_case(case):
        words, ranks, status, *texts = case
        name, _, code = words.partition(" ")
        mpi = [mpiexec, "-n", str(ranks)] if ranks > 1 else []
        job = [*mpi, launcher, __file__, name, *([code] if code else [])]
        return judge(words, start(job), status, texts, ["must not be reached", NOT_STARTED])

    def run_script(script):
        text, ranks, status, *texts = script
        # 2.1 a command between mpirun and the launcher
        job = [mpiexec, "-n", str(ranks), "env", "WRAPPED=1", launcher, "-c", text]
        return judge(text, start(job), status, texts, [])

    with ThreadPoolExecutor(2) as threads:
        results = [*threads.map(run_case, CASES), *threads.map(run_script, SCRIPTS)]
    problems = [problem for result in results for problem in result]
    print("\n".join(problems) or f"{len(results)} checks passed")
    return 1 if problems else 0


if charm is None:
    sys.path.insert(1, os.path.join(os.path.dirname(__file__), "..", "support"))
    import run

    os.environ.update(run.mpi_env(os.environ))
    sys.exit(drive(*sys.argv[1:]))
atexit.register(lambda: print("the end of rank", charm.myPe()))
charm.start(main)

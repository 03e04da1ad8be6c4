# SPDX-License-Identifier: Apache-2.0
"""``python -m c4py main.py args``: what the launcher does, on any Python that has the package.

Also ``python -m c4py -m module args``, ``python -m c4py -c command args`` and ``python -m c4py -
args`` (standard input).
"""

from __future__ import annotations

import builtins
import os
import runpy
import sys
from types import ModuleType
from typing import Any, NoReturn

USAGE = "usage: python -m c4py [--help | --version] script.py|-m module|-c command|- [arguments]"


def _quit(status: int) -> NoReturn:
    from ._runtime import say_nothing_at_exit

    say_nothing_at_exit()
    sys.exit(status)


def _fail(status: int, text: str) -> NoReturn:
    print(f"c4py: {text}", file=sys.stderr)
    _quit(status)


def _new_main(**names: Any) -> ModuleType:
    """A fresh __main__ in place of this module."""
    module = ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, **names)
    sys.modules["__main__"] = module
    return module


def _run_source(source: Any, name: str, **names: Any) -> None:
    main = _new_main(**names)
    exec(compile(source, name, "exec"), main.__dict__)


def _run_script(words: list[str]) -> None:
    path = words[0]
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        _fail(66, f"cannot read {path}: {error.strerror}")
    sys.argv[:] = words
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    _run_source(source, path, __file__=path)


def main(words: list[str]) -> None:
    """Run what the words of a command line say, as Python itself would."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        _quit(0 if words else 2)
    if words[0] == "--version":
        from ._c4py import version

        print(f"c4py {version}")
        _quit(0)
    if words[0] in ("-m", "-c") and len(words) < 2:
        _fail(2, f"{words[0]} needs an argument; {USAGE}")
    if words[0] == "-m":
        sys.argv[:] = ["-m", *words[2:]]
        sys.path[0] = os.getcwd()
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        sys.path[0] = ""
        _run_source(words[1], "<string>")
    elif words[0] == "-":
        sys.argv[:] = words
        sys.path[0] = ""
        _run_source(sys.stdin.read(), "<stdin>")
    elif words[0].startswith("-"):
        _fail(2, f"unknown option {words[0]}; {USAGE}")
    else:
        _run_script(words)


main(sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""The package inside a program written in C: what the functions of ``c4p/python.h`` call."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from . import _runtime
from ._chare import class_name, registered
from ._errors import Charm4PyError, format_exception
from ._runtime import charm, say_nothing_at_exit, tidy_up

_modules: list[Any] = []


def prepare(path: str | None) -> None:
    """Right after the interpreter has started: where modules are looked for first, folders with ``:`` between."""
    say_nothing_at_exit()
    charm._hosted = True
    if path:
        sys.path[:0] = path.split(":")


def load(name: str) -> None:
    """Import a module, whose chare classes `start` will register."""
    if charm._begun:
        raise Charm4PyError(
            f"the module {name} comes too late: import it before c4p_python_start()"
        )
    _modules.append(importlib.import_module(name))


def start(runtime: Any, folder: str | None, trust: bool) -> None:
    """Register all classes and start the runtime, a capsule from the host; go on from the checkpoint in a folder."""
    charm._start_hosted(_modules, runtime, folder, trust)


def class_of(name: str) -> type:
    """The chare class of a name such as ``analysis.Watch``; the name alone will do where one module has it."""
    classes = {class_name(cls): cls for cls in registered}
    found = [cls for full, cls in classes.items() if full == name or full.endswith("." + name)]
    if len(found) == 1 or name in classes:
        return classes.get(name, found[0])
    if not found:
        raise Charm4PyError(
            f"there is no chare class {name}: it must be in a module given to c4p_python_import()"
        )
    raise Charm4PyError(
        f"{name} may be any of {', '.join(sorted(class_name(cls) for cls in found))}: say which"
    )


def describe(exc: BaseException) -> tuple[str, str, str]:
    """What the host is told of an exception: class, message, traceback."""
    cls = type(exc)
    try:
        text = str(exc)
    except Exception:
        text = "(its text cannot be made)"
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    return _sendable(name), _sendable(text), _sendable(format_exception(exc))


def _sendable(text: str) -> str:
    """What has no UTF-8 is written with backslashes."""
    return text.encode("utf-8", "backslashreplace").decode()


def leave() -> None:
    """The host ends Python: threads, atexit handlers, buffers."""
    tidy_up(0)
    _runtime.ccs.close()


__all__ = [
    "class_of",
    "describe",
    "leave",
    "load",
    "prepare",
    "start",
]

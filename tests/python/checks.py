# SPDX-License-Identifier: Apache-2.0
"""For the test programs of this folder: count checks, show what differs, exit with the verdict.

Checks are made in the entry coroutine on rank 0. Chares use plain ``assert``: a failure there ends
the job with its own report.
"""

import os
import sys
import traceback

from charm4py import charm

charm.options.profiling = os.environ.get("CHECKS_PROFILING") == "1"

passed = 0
failed = 0


def _fail(text):
    global failed
    failed += 1
    frame = sys._getframe(2)
    print(
        f"FAILED {frame.f_code.co_filename}:{frame.f_lineno}: {text}", file=sys.stderr, flush=True
    )


def check(truth, what=""):
    """Something must be true."""
    global passed
    if truth:
        passed += 1
    else:
        _fail(what or "not true")


def equal(got, want, what=""):
    """Two values must be equal, and of the same type where that is a bool or a number."""
    global passed
    if got == want and (not isinstance(want, (bool, int, float)) or isinstance(got, type(want))):
        passed += 1
    else:
        _fail(
            f"{what}: got {got!r} ({type(got).__name__}), expected {want!r} ({type(want).__name__})"
        )


def raises(kind, func, *args, text="", **kwargs):
    """A call must raise this kind of exception, with `text` in its message; returns the exception."""
    global passed
    try:
        value = func(*args, **kwargs)
    except Exception as error:
        if isinstance(error, kind) and text in str(error):
            passed += 1
        else:
            traceback.print_exc()
            _fail(f"raised {type(error).__name__}: {error}; expected {kind.__name__} with '{text}'")
        return error
    _fail(f"returned {value!r}; expected {kind.__name__}")
    return None


def finish(at_least=1):
    """The end of a test program: the verdict is the exit status. at_least guards against checks that were skipped."""
    if passed < at_least:
        _fail(f"only {passed} of at least {at_least} checks were made")
    if failed:
        print(f"{failed} checks FAILED, {passed} passed", file=sys.stderr, flush=True)
        charm.exit(1)
    print(f"{passed} checks passed", flush=True)
    charm.exit(0)

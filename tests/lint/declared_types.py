# SPDX-License-Identifier: Apache-2.0
"""The types that the package declares: its own code and every Python program of this tree pass mypy, wrong uses do not, and the
stubs of the C module agree with the module that was built. Usage: declared_types.py BUILD/python; needs mypy, which ./dev lint installs."""

import glob
import os
import sys

import common

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
TOOLS = os.path.join(common.ROOT, ".venv-tools", "lib", PYTHON)
SKIP = 77
#: What stubtest may say: what the stubs do for type checkers alone.
ALLOWED = """
c4py._c4py.Proxy.__getattr__
c4py._c4py.HostChare.__getattr__
c4py._c4py.Chare.__init__
"""


def programs():
    """Python programs one by one: those of one folder may have the names of those of another."""
    for path in common.tree_files(".py"):
        folder, _, name = path.rpartition("/")
        if folder.startswith("examples/") or folder == "tests/programs" or name == "typed_use.py":
            yield path


def check(api, what, *arguments):
    """Run mypy; its complaints."""
    out, err, status = api.run(["--config-file", "pyproject.toml", *arguments])
    if err:
        sys.exit(f"mypy failed with status {status} on {what}:\n{err}")
    return [line for line in out.splitlines() if ": error:" in line]


def main():
    package = os.path.abspath(sys.argv[1])
    sys.path[1:1] = [package, *glob.glob(os.path.join(TOOLS, "site-packages"))]
    try:
        from mypy import api, stubtest
    except ImportError as error:
        print(f"skipped: {error}; ./dev lint installs it")
        sys.exit(SKIP)

    cache = os.path.abspath("mypy_cache")
    os.environ["MYPY_CACHE_DIR"] = cache
    os.environ["MYPYPATH"] = package
    allowed = os.path.abspath("stubtest_allowed.txt")
    with open(allowed, "w", encoding="utf-8") as file:
        file.write(ALLOWED)
    os.chdir(common.ROOT)

    found = list(programs())
    problems = check(api, "the package", "-p", "c4py", "-p", "charm4py", "-p", "charmrun")
    problems += check(api, "the programs", "--check-untyped-defs", "--scripts-are-modules", *found)

    import c4py._runtime

    c4py._runtime.say_nothing_at_exit()
    os.chdir(os.path.dirname(allowed))
    arguments = ["--concise", "--allowlist", allowed, "--ignore-disjoint-bases", "c4py._c4py"]
    if stubtest.test_stubs(stubtest.parse_options(arguments)):
        problems.append("python/c4py/_c4py.pyi differs from the module, see above")
    common.finish(problems, len(found))


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build examples/superbuild: the runtime and a program by a superbuild, the program alone with what is installed then, or
both as one project, which must stay as it was.

inside.py --with superbuild|subproject --cmake cmake --generator Ninja --cc cc --mpiexec mpirun

Works in the current folder.
"""

import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLE = os.path.join(ROOT, "examples", "superbuild")
DRIVER = os.path.join(ROOT, "tests", "support", "run.py")


def call(*command, **options):
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, check=True, **options)


def build(args, source, folder, *settings):
    """Configure and build from nothing. Without optimisation, which takes a third of the time."""
    shutil.rmtree(folder, ignore_errors=True)
    call(args.cmake, "-S", source, "-B", folder, "-G", args.generator, "-DCMAKE_BUILD_TYPE=Debug",
         f"-DCMAKE_C_COMPILER={args.cc}", *settings)  # fmt: skip
    call(args.cmake, "--build", folder, "-j", "2", stdout=subprocess.DEVNULL)


def drive(args, program):
    call(sys.executable, DRIVER, "--np", "2", "--timeout", "30", "--mpiexec", args.mpiexec, "--expect",
         "1000 elements in 7 blocks on 2 ranks: 0.999000999000999 by chares", "--", program, "1000", "7")  # fmt: skip


def check(good, what):
    if not good:
        sys.exit(f"FAILED: {what}")


def programs(folder):
    """The names of all programs in a build tree, but those with which CMake looks at the compiler."""
    found = []
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if "CMakeFiles" in at or ".so" in name or not os.access(path, os.X_OK):
                continue
            with open(path, "rb") as file:
                found += [name] if file.read(4) == b"\x7fELF" else []
    return sorted(found)


def superbuild(args):
    build(args, EXAMPLE, "built")
    drive(args, os.path.join("built", "app", "dot"))
    installed = os.path.abspath(os.path.join("built", "install"))
    check(programs("built") == ["dot"], f"built were {programs('built')}")
    build(args, EXAMPLE, "found", "-DSUPERBUILD_INSTALLED_C4PY=ON", f"-DCMAKE_PREFIX_PATH={installed}")  # fmt: skip
    check(not os.path.exists(os.path.join("found", "c4pyrt")), "c4pyrt was built, though it is there")  # fmt: skip
    drive(args, os.path.join("found", "app", "dot"))


def subproject(args):
    untouched = os.path.join(HERE, "untouched.cmake")
    build(args, os.path.join(EXAMPLE, "subproject"), "whole", f"-DCMAKE_PROJECT_subproject_INCLUDE={untouched}")  # fmt: skip
    drive(args, os.path.join("whole", "app", "dot"))
    shutil.rmtree("prefix", ignore_errors=True)
    call(args.cmake, "--install", "whole", "--prefix", "prefix")
    files = [os.path.join(at, name) for at, _, names in os.walk("prefix") for name in names]
    check(files == [os.path.join("prefix", "bin", "dot")], f"installed were {files}")
    check(programs("whole") == ["dot"], f"built were {programs('whole')}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--with", dest="way", choices=("superbuild", "subproject"), required=True)
    parser.add_argument("--cmake", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--mpiexec", default="mpirun")
    args = parser.parse_args()
    for name in ("LD_LIBRARY_PATH", "CMAKE_PREFIX_PATH"):
        os.environ.pop(name, None)
    (superbuild if args.way == "superbuild" else subproject)(args)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"FAILED: {' '.join(error.cmd)} ended with {error.returncode}")

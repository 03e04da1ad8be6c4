#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the examples in C and in Fortran as their readers do: each as a project of its own, against an installed tree.

build_c.py --build build --cmake cmake --cc cc [--fc mpifort] NAME…

Installs into the current folder and leaves NAME/NAME there for the tests that run them.
"""

import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def call(*command, **options):
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True, **options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--cmake", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--fc", help="the compiler of those in Fortran")
    parser.add_argument("names", nargs="+")
    args = parser.parse_args()
    prefix = os.path.abspath("installed")
    shutil.rmtree(prefix, ignore_errors=True)
    call(args.cmake, "--install", args.build, "--prefix", prefix, stdout=subprocess.DEVNULL)
    for name in args.names:
        shutil.rmtree(name, ignore_errors=True)
        flags = ["-DCMAKE_C_FLAGS=-Wall -Wextra -Werror"]
        if name.startswith("fortran"):
            flags += [f"-DCMAKE_Fortran_COMPILER={args.fc}", "-DCMAKE_Fortran_FLAGS=-Wall -Wno-unused-dummy-argument -Werror"]  # fmt: skip
        call(args.cmake, "-S", os.path.join(HERE, name), "-B", name, f"-DCMAKE_PREFIX_PATH={prefix}",
             f"-DCMAKE_C_COMPILER={args.cc}", *flags, stdout=subprocess.DEVNULL)  # fmt: skip
        call(args.cmake, "--build", name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"FAILED: {' '.join(error.cmd)} ended with {error.returncode}")

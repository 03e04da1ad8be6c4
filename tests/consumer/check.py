#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Install the project, move the installed tree, build a program outside the project against it, and run that.

check.py --build build --cmake cmake --cc cc --with cmake|make

Works in the current folder. Environment variables that could make the build tree visible are removed.
"""

import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(os.path.dirname(HERE), "support", "run.py")
EXIT_SKIP = 77


def call(*command, **options):
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True, **options)


def install(args):
    """The folder of an installed tree that is not where it was installed to."""
    shutil.rmtree("installed", ignore_errors=True)
    shutil.rmtree("moved", ignore_errors=True)
    call(args.cmake, "--install", args.build, "--prefix", os.path.abspath("installed"),
         stdout=subprocess.DEVNULL)  # fmt: skip
    os.rename("installed", "moved")
    return os.path.abspath("moved")


def library_folder(prefix):
    for folder, _, names in os.walk(prefix):
        if "libc4pyrt.so" in names:
            return folder
    sys.exit("no libc4pyrt.so was installed")


def build_with_cmake(args, prefix):
    shutil.rmtree("cmake", ignore_errors=True)
    call(args.cmake, "-S", HERE, "-B", "cmake", f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DCMAKE_C_COMPILER={args.cc}", stdout=subprocess.DEVNULL)  # fmt: skip
    call(args.cmake, "--build", "cmake")
    return "cmake"


def build_with_make(args, prefix):
    shutil.rmtree("make", ignore_errors=True)
    os.mkdir("make")
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(library_folder(prefix), "pkgconfig"))
    call("make", "-C", HERE, f"OUT={os.path.abspath('make')}", f"CC={args.cc}", env=env)
    return "make"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--cmake", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("--with", dest="tool", choices=("cmake", "make"), required=True)
    args = parser.parse_args()
    os.environ.pop("LD_LIBRARY_PATH", None)

    if args.tool == "make" and not (shutil.which("make") and shutil.which("pkg-config")):
        print("skipped: needs make and pkg-config")
        return EXIT_SKIP
    prefix = install(args)
    built = (build_with_cmake if args.tool == "cmake" else build_with_make)(args, prefix)
    for program in ("consumer", "consumer_mpi"):
        call(sys.executable, DRIVER, "--np", "2", "--timeout", "30", "--mpiexec", args.mpiexec,
             "--expect", "the sum over 2 ranks is 3", "--", os.path.join(built, program))  # fmt: skip
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"FAILED: {' '.join(error.cmd)} ended with {error.returncode}")

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Install the project, move the installed tree, and use it: build a program against it and run that, or run a Python program.

check.py --build build --cmake cmake --cc cc --with cmake|make|python

Works in the current folder. Environment variables that could make the build tree visible are removed.
"""

import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DRIVER = os.path.join(ROOT, "tests", "support", "run.py")
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


def check_pages(prefix, *pages):
    """Manual pages lie where man looks for them."""
    for page in pages:
        path = os.path.join(prefix, "share", "man", f"man{page[-1]}", page)
        if not os.path.isfile(path):
            sys.exit(f"there is no {path}")


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
    call(args.cmake, "-S", os.path.join(HERE, "cxx"), "-B", os.path.join("cmake", "cxx"),
         f"-DCMAKE_PREFIX_PATH={prefix}", stdout=subprocess.DEVNULL)  # fmt: skip
    call(args.cmake, "--build", os.path.join("cmake", "cxx"))
    os.rename(os.path.join("cmake", "cxx", "consumer_cxx"), os.path.join("cmake", "consumer_cxx"))
    return "cmake"


def build_with_make(args, prefix):
    shutil.rmtree("make", ignore_errors=True)
    os.mkdir("make")
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(library_folder(prefix), "pkgconfig"))
    call("make", "-C", HERE, f"OUT={os.path.abspath('make')}", f"CC={args.cc}", env=env)
    return "make"


def drive(args, *command, expect, env=()):
    """Run a program on two ranks."""
    settings = [f"--env={setting}" for setting in env]
    call(sys.executable, DRIVER, "--np", "2", "--timeout", "30", "--mpiexec", args.mpiexec,
         "--expect", expect, *settings, "--", *command)  # fmt: skip


def run_consumers(args, prefix):
    check_pages(prefix, "c4pyrt.3", "c4pyrt.7")
    build = build_with_cmake if args.tool == "cmake" else build_with_make
    folder = build(args, prefix)
    for program in ("consumer", "consumer_mpi", "consumer_cxx"):
        drive(args, os.path.join(folder, program), expect="the sum over 2 ranks is 3")


def run_python(args, prefix):
    """The same program by the installed launcher, and by the interpreter with the installed package."""
    check_pages(prefix, "c4py_launcher.1")
    hello = os.path.join(ROOT, "examples", "hello", "hello.py")
    drive(args, os.path.join(prefix, "bin", "c4py_launcher"), hello, expect="All said hello")
    packages = next(d for d, names, _ in os.walk(prefix) if "c4py" in names and "charm4py" in names)
    drive(args, args.python, "-m", "c4py", hello, expect="All said hello",
          env=[f"PYTHONPATH={packages}"])  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--cmake", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("--python", help="the interpreter that the launcher was built for")
    parser.add_argument("--with", dest="tool", choices=("cmake", "make", "python"), required=True)
    args = parser.parse_args()
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH"):
        os.environ.pop(name, None)

    if args.tool == "make" and not (shutil.which("make") and shutil.which("pkg-config")):
        print("skipped: needs make and pkg-config")
        return EXIT_SKIP
    prefix = install(args)
    (run_python if args.tool == "python" else run_consumers)(args, prefix)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"FAILED: {' '.join(error.cmd)} ended with {error.returncode}")

# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, without a warning: public ones in C11 and in C++11 to the letter, internal ones in C.

headers.py --cc gcc… [--cxx g++…] --build-include build/include --mpi-include DIR…
"""

import argparse
import os
import subprocess

import common

CONVERSIONS = ["-Wconversion", "-Wsign-conversion"]
C_FLAGS = ["-Wall", "-Wextra", "-Wstrict-prototypes", *CONVERSIONS, "-Werror"]
PUBLIC_C = ["-std=c11", "-pedantic", *C_FLAGS]
INTERNAL_C = ["-std=gnu11", *C_FLAGS]
CXX_FLAGS = ["-std=c++11", "-pedantic", "-Wall", "-Wextra", *CONVERSIONS, "-Werror"]


def compile_alone(command, name):
    """What the compiler says about a file that only includes this header, twice."""
    done = subprocess.run(
        [*command, "-fsyntax-only", "-"],
        input=f"#include <{name}>\n#include <{name}>\nint c4p_not_empty;\n",
        capture_output=True,
        text=True,
    )
    return done.stderr if done.returncode else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", required=True, nargs="+")
    parser.add_argument("--cxx", default=[], nargs="+")
    parser.add_argument("--build-include", required=True)
    parser.add_argument("--mpi-include", action="append", default=[])
    args = parser.parse_args()

    public = [
        args.build_include,
        *(os.path.join(common.ROOT, part, "include") for part in ("runtime", "embed")),
    ]
    flags = [f"-I{folder}" for folder in public]
    mpi = [f"-isystem{folder}" for folder in args.mpi_include]
    internal = [*flags, *mpi, f"-I{os.path.join(common.ROOT, 'runtime')}"]
    problems, checked = [], 0

    for path in common.tree_files(".h", ".h.in"):
        if not path.startswith(("runtime/", "embed/include/")):
            continue
        if "/include/" in path:
            name = path.partition("/include/")[2].removesuffix(".in")
            # Only c4p/mpi.h may need MPI's folder.
            extra = [*flags, *mpi] if name == "c4p/mpi.h" else flags
            runs = [[cc, *PUBLIC_C, "-xc", *extra] for cc in args.cc]
            runs += [[cxx, *CXX_FLAGS, "-xc++", *extra] for cxx in args.cxx]
        else:
            name = path[len("runtime/") :]
            runs = [[cc, *INTERNAL_C, "-xc", *internal] for cc in args.cc]
        for command in runs:
            checked += 1
            said = compile_alone(command, name)
            if said:
                problems.append(f"{path} does not compile alone with {command[0]}:\n{said}")
    common.finish(problems, checked)


main()

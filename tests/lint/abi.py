# SPDX-License-Identifier: Apache-2.0
"""The binary interface that the public headers describe is the one that was recorded.

abi.py --cc gcc --build-include build/include [--record]

A change of it must be meant: then it is recorded anew, with --record, and seen in the commit. Compared is a
library that is made of the headers alone, with a function without a body for each declaration, so that neither the
build nor the insides matter. c4p/mpi.h is left out: its types are those of the MPI at hand.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import common

RECORD = os.path.join(common.ROOT, "tests/lint/c4pyrt.abi")
DUMP = ["--no-corpus-path", "--no-show-locs", "--no-comp-dir-path", "--no-architecture"]
DUMP += ["--no-elf-needed", "--no-parameter-names", "--type-id-style", "hash"]


def definitions():
    """Every public function but those of c4p/mpi.h, with a body that is empty."""
    for path in common.tree_files(".h", ".h.in"):
        if path.startswith("runtime/include/") and not path.endswith("/mpi.h"):
            code = re.sub(r"(?m)^\s*#.*$", "", common.c_code(path))
            for text in re.findall(r"\bC4P_API\b([^;{]*);", code):
                yield (
                    re.sub(r"\bC4P_(NORETURN|PRINTF\([^)]*\))", "", text)
                    + "{ __builtin_trap(); }\n"
                )


def make_library(args, folder):
    """Compile the headers; the path of the library."""
    source, library = os.path.join(folder, "face.c"), os.path.join(folder, "libc4pyrt.so.0")
    with open(source, "w", encoding="utf-8") as f:
        f.write("#include <c4p/c4p.h>\n")
        f.writelines(definitions())
    include = [args.build_include, os.path.join(common.ROOT, "runtime/include")]
    subprocess.run(
        [args.cc, "-std=gnu11", "-g", "-shared", "-fPIC", "-Wl,-soname,libc4pyrt.so.0"]
        + [f"-I{path}" for path in include]
        + ["-o", library, source],
        check=True,
    )
    return library


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--build-include", required=True)
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()

    if not shutil.which("abidiff"):
        print("skipped: no abidiff (Debian: abigail-tools)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        library = make_library(args, folder)
        if args.record:
            subprocess.run(["abidw", *DUMP, "--out-file", RECORD, library], check=True)
        done = subprocess.run(
            ["abidiff", "--no-architecture", RECORD, library], capture_output=True, text=True
        )
    problems = []
    if done.returncode:
        problems.append(
            f"the binary interface is not that of {os.path.relpath(RECORD, common.ROOT)} (abidiff: "
            f"{done.returncode}); if that is meant: tests/lint/abi.py --record\n"
            f"{done.stdout}{done.stderr}"
        )
    common.finish(problems, len(list(definitions())))


main()

# SPDX-License-Identifier: Apache-2.0
"""Layers point down only: base < msg < comm < core < svc < lb < api < embed, over the public headers. Few files see MPI, and none of the runtime sees Python."""

import re

import common

LAYERS = ["base", "msg", "comm", "core", "svc", "lb", "api"]
MAY_INCLUDE_MPI = {
    "runtime/comm/comm_mpi_int.h",
    "runtime/api/mpi_init.c",
    "runtime/include/c4p/mpi.h",
}


def check_runtime(path, layer):
    for line, kind, name in common.includes(path):
        where = f"{path}:{line}: "
        if name.endswith("Python.h"):
            yield where + "the runtime does not see Python"
        elif name in ("mpi.h", "c4p/mpi.h") and path not in MAY_INCLUDE_MPI:
            yield where + "MPI is seen only by " + ", ".join(sorted(MAY_INCLUDE_MPI))
        elif kind == '"':
            other, slash, _ = name.partition("/")
            if not slash or other not in LAYERS:
                yield where + f'include "{name}" as "layer/file.h"'
            elif layer is None:
                yield where + "a public header includes public headers only"
            elif LAYERS.index(other) > LAYERS.index(layer):
                yield where + f"{layer} lies below {other} and must not include {name}"


def check_embed(path):
    for line, kind, name in common.includes(path):
        where = f"{path}:{line}: "
        if name == "Python.h" and path != "embed/py.h":
            yield where + 'include "py.h", the only place that includes Python.h'
        elif name in ("mpi.h", "c4p/mpi.h"):
            yield where + "the embedding does not see MPI"
        elif kind == '"' and "/" in name:
            yield where + "the embedding sees <c4p/...> and its own headers only"


def main():
    problems, checked = [], 0
    for path in common.tree_files(".c", ".h", ".h.in"):
        match = re.match(r"runtime/(?:include/c4p|(\w+))/[^/]+$", path)
        if match:
            checked += 1
            if match.group(1) is None or match.group(1) in LAYERS:
                problems += check_runtime(path, match.group(1))
            else:
                problems.append(f"{path}: no layer of this name")
        elif path.startswith("embed/"):
            checked += 1
            problems += check_embed(path)
        elif path.startswith("runtime/"):
            problems.append(f"{path}: not in the folder of a layer")
    common.finish(problems, checked)


main()

# SPDX-License-Identifier: Apache-2.0
"""Modules that contenders need: are they there, and of the same MPI as this build?"""

import glob
import importlib.util
import os
import re


def _mpi_libraries(path):
    """The names of MPI's libraries that an extension or a library was linked with."""
    with open(path, "rb") as file:
        return set(re.findall(rb"\0(libmpi(?:ch)?\.so[.\d]*)\0", file.read()))


def why_without(module, yardstick):
    """Why a module cannot be used with a build, or None. yardstick: the library of that name of the build."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return f"{module} is not installed"
    if module == "mpi4py":
        folder = os.path.dirname(spec.origin)
        for extension in glob.glob(os.path.join(folder, "MPI.*.so")):
            if not _mpi_libraries(extension) & _mpi_libraries(yardstick):
                return "mpi4py was built with another MPI"
    return None

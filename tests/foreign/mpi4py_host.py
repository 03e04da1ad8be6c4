# SPDX-License-Identifier: Apache-2.0
"""A host in Python with mpi4py hands its communicator to the C library, twice, and goes on.

mpi4py_host.py libc4pyrt.so
"""

import ctypes
import re
import sys

try:
    import mpi4py

    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = True
    lib = ctypes.CDLL(sys.argv[1])
    from mpi4py import MPI
except ImportError:
    print("skipped: no mpi4py")
    sys.exit(77)
with open("/proc/self/maps", encoding="utf-8") as maps:
    if len(set(re.findall(r"/(libmpi(?:ch)?)\.so", maps.read()))) > 1:
        print("skipped: mpi4py was built with another MPI")
        sys.exit(77)
MPI.Init()

C4P_ERR_ARG = 100


def init(lib, comm):
    """Status and runtime of c4p_init_comm_f()."""
    rt = ctypes.c_void_p()
    return lib.c4p_init_comm_f(comm.py2f(), None, ctypes.byref(rt)), rt


def run(lib, comm):
    status, rt = init(lib, comm)
    assert status == 0, status
    assert lib.c4p_rank(rt) == comm.Get_rank()
    assert lib.c4p_num_ranks(rt) == comm.Get_size()
    assert lib.c4p_start(rt) == 0
    if comm.Get_rank() == 0:
        assert lib.c4p_exit(rt, 7) == 0
    code = ctypes.c_int()
    assert lib.c4p_run(rt, ctypes.byref(code)) == 0
    assert code.value == 7
    return rt


def main():
    world = MPI.COMM_WORLD
    half = world.Split(world.Get_rank() % 2, -world.Get_rank())
    assert init(lib, MPI.COMM_NULL)[0] == C4P_ERR_ARG
    lib.c4p_free(run(lib, half))
    assert half.allreduce(1) == half.Get_size()  # still the host's
    half.Free()
    run(lib, world)  # freed when mpi4py finalises MPI


main()

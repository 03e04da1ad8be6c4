# SPDX-License-Identifier: Apache-2.0
"""The same stencil with mpi4py: one strip on each rank, rows by Sendrecv. Usage: stencil_mpi4py.py ROWS COLUMNS STEPS"""

import time

from mpi4py import MPI
from stencil import arguments, make_strip, report, sweep

comm = MPI.COMM_WORLD
options = arguments()
above = comm.rank - 1 if comm.rank > 0 else MPI.PROC_NULL
below = comm.rank + 1 if comm.rank < comm.size - 1 else MPI.PROC_NULL
old, new = make_strip(options.rows, options.columns, comm.rank, comm.size)
ends = []
for _ in range(options.steps):
    comm.Sendrecv(old[1], above, recvbuf=old[-1], source=below)
    comm.Sendrecv(old[-2], below, recvbuf=old[0], source=above)
    sweep(old, new)
    if comm.rank == 0:
        new[0] = old[0]
    old, new = new, old
    ends.append(time.perf_counter())
heat = comm.allreduce(float(old[1:-1].sum()))
if comm.rank == 0:
    report(ends, heat)

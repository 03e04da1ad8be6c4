# SPDX-License-Identifier: Apache-2.0
"""The rows of the benchmark table: what is measured, by which program, against what, and what is to be reached."""

from typing import NamedTuple


class Program(NamedTuple):
    """One that measures rows and what they are compared with in its own processes."""

    name: str
    file: str
    kind: str  # 'c' or 'python'
    ranks: int
    counts: tuple = ()  # of a C program: (usual, least) of each argument


class Contender(NamedTuple):
    """A whole program that does the same as others; a pair among its words is a count, (usual, least)."""

    name: str
    ranks: int  # 0: without mpirun
    words: tuple
    needs: tuple = ()  # modules
    cannot: str = ""  # why it has no part in this contest
    in_smoke: bool = True  # also where it is only seen that the programs run


class Result(NamedTuple):
    """A row that comes of a contest: a contender against another one; the rest beside them, unless `alone`."""

    row: str
    ours: str
    yardstick: str = ""
    field: str = ""  # what is taken of each run, instead of its seconds
    alone: bool = False


class Contest(NamedTuple):
    name: str
    contenders: tuple
    results: tuple
    in_smoke: bool = False


class Row(NamedTuple):
    name: str
    program: str  # or contest
    text: str
    # What the figure is divided by: 'r', a plain MPI round trip; 'm', a bound-method call; or the name of what does the same. 'B',
    # bytes, and 'ns' stand as they are.
    unit: str
    target: float | None  # None: for comparison only
    nbytes: int = 0  # in each message, where a rate says more than a time


class Series(NamedTuple):
    """The same programs on more and more ranks; `size`: of the problem, on one rank if it grows with them ('weak')."""

    name: str
    kind: str  # 'strong' or 'weak'
    text: str
    size: int
    contenders: tuple


ABSOLUTE = ("B", "ns")
MPI, MPI4PY, HAND = "MPI in C", "mpi4py", "hand-packed"
LAUNCHER = ("{launcher}", "--quiet")

# ---- in the same processes -----------------------------------------------------------------------

PROGRAMS = (
    Program("pingpong", "bench_pingpong", "c", 2, ((101, 1), (500, 100))),
    Program("typed", "bench_typed", "c", 2, ((101, 1), (2000, 100))),
    Program("memory", "bench_memory", "c", 1, ((20000, 1000), (1000000, 10000))),
    Program("exchange_2", "bench_exchange", "c", 2, ((31, 1), (100, 1))),
    Program("exchange_4", "bench_exchange", "c", 4, ((31, 1), (100, 1))),
    Program("local", "local.py", "python", 1),
    Program("remote", "remote.py", "python", 2),
    Program("py_exchange_2", "exchange.py", "python", 2),
    Program("py_exchange_4", "exchange.py", "python", 4),
    Program("pool", "pool.py", "python", 3),
)

COLLECTIVES = {  # what bench_exchange and exchange.py do alike: on how many ranks, and what it is
    "many_to_one": ((4,), "8 B from all others to one, per message"),
    "all_to_all": ((4,), "1 KiB from each to each, per round"),
    "bcast": ((2, 4), "broadcast that waits until all have it"),
    "reduce": ((2, 4), "sum reduction to rank 0, one after the other"),
    "allreduce": ((2, 4), "allreduce of a number"),
    "allreduce_8k": ((2, 4), "allreduce of 8 KiB"),
    "barrier": ((2, 4), "barrier"),
    "quiet": ((2, 4), "quiescence, against a barrier"),
}


def collectives(prefix, who, against):
    program = "exchange" if prefix == "c" else "py_exchange"
    for name, (numbers, text) in COLLECTIVES.items():
        for n in numbers:
            yield Row(f"{prefix}_{name}_{n}", f"{program}_{n}", f"{who}: {text}, {n} ranks", against, None)  # fmt: skip


# ---- whole programs, in turn ---------------------------------------------------------------------


def pool(kind, size, mp=""):
    words = (kind, size)
    return (
        Contender("C4Py", 3, (*LAUNCHER, "{bench}/contests/pool_c4py.py", *words)),
        Contender("multiprocessing", 0, ("{python}", "{bench}/contests/pool_multiprocessing.py", *words), (), mp),
        Contender("dask.distributed", 0, ("{python}", "{bench}/contests/pool_dask.py", *words), ("distributed",), in_smoke=False),
    )  # fmt: skip


def stencil(rows, columns, steps, *more):
    words = (rows, columns, steps)
    return (
        Contender("C4Py", 2, (*LAUNCHER, "{bench}/contests/stencil_c4py.py", *words, *more)),
        Contender(MPI4PY, 2, ("{python}", "{bench}/contests/stencil_mpi4py.py", *words), ("mpi4py",)),
    )  # fmt: skip


def leanmd(x, y, z, steps, *kernels):
    words = (x, y, z, steps, "--progress", "0", "--record", "-")
    python = (*LAUNCHER, "{bench}/leanmd/leanmd.py", *words)
    every = (
        Contender("C", 2, ("{leanmd}", *words)),
        Contender("Python", 2, python),
        Contender("Python with numba", 2, (*python, "--kernel", "numba"), ("numba",)),
    )
    return tuple(contender for contender in every if contender.name in kernels)


ALL_KERNELS = ("C", "Python", "Python with numba")
LEANMD_A = (Contender("C", 2, ("{leanmd}", "3", "3", "3", (60, 3), "--variant", "a", "--progress", "0", "--record", "-")),)  # fmt: skip

CONTESTS = (
    Contest("pool_each", pool("each", (10000, 200)), (Result("pool_each", "C4Py", "multiprocessing"),), in_smoke=True),
    Contest("pool_work", pool("work", (400, 20)), (Result("pool_work", "C4Py", "multiprocessing"),)),
    Contest("pool_fib", pool("fib", (13, 8), "its tasks cannot start tasks"), (Result("pool_fib", "C4Py", "dask.distributed"),)),
    Contest("stencil", stencil("1024", "1024", (300, 5)), (Result("stencil", "C4Py", MPI4PY),), in_smoke=True),
    Contest("stencil_4", stencil("1024", "1024", (300, 5), "--strips", "4"), (Result("stencil_4", "C4Py", MPI4PY),)),
    Contest("stencil_small", stencil("128", "128", (2000, 5)), (Result("stencil_small", "C4Py", MPI4PY),)),
    Contest("leanmd_a", LEANMD_A, (Result("leanmd_a", "C", field="seconds_per_test"),), in_smoke=True),
    *(Contest(f"leanmd_{n}", leanmd(n, n, n, steps, *ALL_KERNELS),
              (Result(f"leanmd_py_{n}", "Python", "C"), Result(f"leanmd_numba_{n}", "Python with numba", "C", alone=True)))
      for n, steps in (("4", (60, 3)), ("6", (24, 3)))),
)  # fmt: skip

RANKS = (1, 2, 4, 8)
SCALING = (
    *(Series(f"leanmd_{kind}", kind, text, size, leanmd("4", "4", "{size}", (40, 3), "C", "Python"))
      for kind, text, size in (("strong", "LeanMD, 4 x 4 x 4 cells", 4), ("weak", "LeanMD, 4 x 4 x 3 cells on each rank", 3))),
    *(Series(f"stencil_{kind}", kind, text, size, stencil("{size}", "1024", (200, 5)))
      for kind, text, size in (("strong", "Stencil, 1024 x 1024", 1024), ("weak", "Stencil, 512 x 1024 on each rank", 512))),
)  # fmt: skip

# ---- the table, by what is looked for ------------------------------------------------------------

GROUPS = {
    "Latency, 2 ranks": (
        Row("c_pingpong", "pingpong", "C chares, 8 B ping-pong", "r", 1.6),
        Row("c_typed_remote", "typed", "C chares: ping-pong of four parameters, by signature", HAND, 1.15),
        Row("entry_pingpong", "remote", "entry-method ping-pong, one int", "r", 3.5),
        Row("native_pingpong", "remote", "Python chares, methods in C: ping-pong, one int", "r", 1.8),
        Row("array_1k", "remote", "numpy ping-pong 1 KiB", "r", 3),
        Row("array_64k", "remote", "numpy ping-pong 64 KiB, plain call", "r", 1.3),
        Row("array_1m", "remote", "numpy ping-pong 1 MiB, plain call", "r", 1.5),
        Row("array_16m", "remote", "numpy ping-pong 16 MiB, plain call", "r", 2.4),
        Row("fixed_64k", "remote", "numpy ping-pong 64 KiB, read-only arrays", "r", 1.2),
        Row("fixed_1m", "remote", "numpy ping-pong 1 MiB, read-only arrays", "r", 1.15),
        Row("fixed_16m", "remote", "numpy ping-pong 16 MiB, read-only arrays", "r", 1.25),
        Row("given_64k", "remote", "numpy ping-pong 64 KiB, passed on with give()", "r", 1.2),
        Row("given_1m", "remote", "numpy ping-pong 1 MiB, passed on with give()", "r", 1.15),
        Row("given_16m", "remote", "numpy ping-pong 16 MiB, passed on with give()", "r", 1.25),
        Row("remote_channel", "remote", "channel round trip, two ranks", "r", 6),
        Row("remote_call", "remote", "blocking call, two ranks", "r", 7),
        Row("remote_error", "remote", "exception of a remote method, to the caller and raised", "r", 120),
    ),
    "Bandwidth and message rate, 2 ranks": (
        Row("c_flood", "pingpong", "C chares, one-way flood, per message", "r", 0.9),
        Row("remote_flood", "remote", "one-way flood to another rank, per message", "r", 0.9),
        Row("c_stream_8_2", "exchange_2", "C chares: stream of 8 B, per message", MPI, None, 8),
        Row("c_stream_1k_2", "exchange_2", "C chares: stream of 1 KiB", MPI, None, 1 << 10),
        Row("c_stream_64k_2", "exchange_2", "C chares: stream of 64 KiB", MPI, None, 1 << 16),
        Row("c_stream_1m_2", "exchange_2", "C chares: stream of 1 MiB", MPI, None, 1 << 20),
        Row("py_stream_int_2", "py_exchange_2", "Python: stream of ints, per message", MPI4PY, None, 8),
        Row("py_stream_64k_2", "py_exchange_2", "Python: stream of 64 KiB arrays", MPI4PY, None, 1 << 16),
        Row("py_stream_1m_2", "py_exchange_2", "Python: stream of 1 MiB arrays", MPI4PY, None, 1 << 20),
    ),
    "On one rank": (
        Row("hop", "local", "message on the same rank, chained", "m", 15),
        Row("c_typed_local", "typed", "C chares: four parameters to itself, by signature", HAND, None),
        Row("local_flood", "local", "message on the same rank, flooded", "m", 9),
        Row("native_numba", "local", "message to a method by numba, same rank, flooded", "m", 6),
        Row("local_call", "local", "blocking call on the same rank, plain method", "m", 55),
        Row("local_coro_call", "local", "blocking call on the same rank, coroutine method", "m", 75),
        Row("local_channel", "local", "channel round trip, same rank", "m", 55),
        Row("when", "local", "message gated by @when, same rank", "m", 25),
        Row("future", "local", "future made, sent and received on one rank", "m", 30),
        Row("bcast", "local", "broadcast to 20 000 local elements, per element", "m", 6),
        Row("bcast_reduce", "local", "broadcast + sum reduction, per element", "m", 12),
        Row("bcast_reduce_coro", "local", "the same with coroutine methods", "m", 40),
        Row("section_bcast", "local", "broadcast to a section of 1000 local members, per member", "m", 10),
    ),
    "Between all ranks": (
        Row("allreduce", "remote", "allreduce of an int, 2 ranks", "r", 7),
        *collectives("c", "C chares", MPI),
        *collectives("py", "Python", MPI4PY),
    ),
    "Memory, creation and migration": (
        Row("c_record", "memory", "C chare record", "B", 128),
        Row("c_growth", "memory", "memory per message, 10^6 messages", "B", 0.1),
        Row("create", "local", "create an array element", "m", 40),
        Row("create_bytes", "local", "resident bytes of an empty chare", "B", 450),
        Row("migrate", "remote", "move a small chare to the other rank", "r", 11),
    ),
    "Pools of tasks, two workers": (
        Row("pool_task", "pool", "pool task (fib without cut-off, 3 ranks)", "m", 150),
        Row("pool_each", "pool_each", "map of tasks that do nothing, per task", "multiprocessing", None),
        Row("pool_work", "pool_work", "map of tasks of half a millisecond, per task", "multiprocessing", None),
        Row("pool_fib", "pool_fib", "fib, a tree of tasks, per task", "dask.distributed", None),
    ),
    "Stencil, 2 ranks": (
        Row("stencil", "stencil", "1024 x 1024, one chare on each rank, per step", MPI4PY, None),
        Row("stencil_4", "stencil_4", "1024 x 1024, four chares on each rank, per step", MPI4PY, None),
        Row("stencil_small", "stencil_small", "128 x 128, one chare on each rank, per step", MPI4PY, None),
    ),
    "LeanMD, 2 ranks": (
        Row("leanmd_a", "leanmd_a", "C, variant a, 3 x 3 x 3 cells, per tested pair", "ns", 0.67),
        Row("leanmd_py_4", "leanmd_4", "Python, 4 x 4 x 4 cells, per step", "C", 1.1),
        Row("leanmd_numba_4", "leanmd_4", "Python with numba, 4 x 4 x 4 cells, per step", "C", 1.5),
        Row("leanmd_py_6", "leanmd_6", "Python, 6 x 6 x 6 cells, per step", "C", 1.1),
        Row("leanmd_numba_6", "leanmd_6", "Python with numba, 6 x 6 x 6 cells, per step", "C", 1.5),
    ),
}  # fmt: skip

ROWS = tuple(row for rows in GROUPS.values() for row in rows)
BY_NAME = {row.name: row for row in ROWS}
RANKS_OF = {program.name: program.ranks for program in PROGRAMS} | {
    contest.name: max(c.ranks for c in contest.contenders) for contest in CONTESTS
}
RESULTS = {result.row: result for contest in CONTESTS for result in contest.results}

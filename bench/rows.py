# SPDX-License-Identifier: Apache-2.0
"""The rows of the benchmark table: what is measured, by which program, and what is to be reached."""

from typing import NamedTuple


class Program(NamedTuple):
    file: str
    kind: str  # 'c' or 'python'
    ranks: int
    counts: tuple = ()  # of a C program: (usual, least) of each argument


class Row(NamedTuple):
    name: str
    program: str
    text: str
    unit: str  # 'r': plain MPI round trip, 'm': bound-method call, 'B': bytes
    target: float


PROGRAMS = (
    Program("bench_pingpong", "c", 2, ((101, 3), (500, 100))),
    Program("bench_memory", "c", 1, ((20000, 1000), (1000000, 10000))),
    Program("local.py", "python", 1),
    Program("remote.py", "python", 2),
    Program("pool.py", "python", 3),
)

ROWS = (
    Row("c_pingpong", "bench_pingpong", "C chares, 8 B ping-pong", "r", 1.6),
    Row("c_flood", "bench_pingpong", "C chares, one-way flood, per message", "r", 0.9),
    Row("c_record", "bench_memory", "C chare record", "B", 128),
    Row("c_growth", "bench_memory", "memory per message, 10^6 messages", "B", 0.1),
    Row("entry_pingpong", "remote.py", "entry-method ping-pong, one int", "r", 3.5),
    Row("array_1k", "remote.py", "numpy ping-pong 1 KiB", "r", 3),
    Row("array_64k", "remote.py", "numpy ping-pong 64 KiB, plain call", "r", 1.3),
    Row("array_1m", "remote.py", "numpy ping-pong 1 MiB, plain call", "r", 1.5),
    Row("array_16m", "remote.py", "numpy ping-pong 16 MiB, plain call", "r", 2.4),
    Row("fixed_64k", "remote.py", "numpy ping-pong 64 KiB, read-only arrays", "r", 1.2),
    Row("fixed_1m", "remote.py", "numpy ping-pong 1 MiB, read-only arrays", "r", 1.15),
    Row("fixed_16m", "remote.py", "numpy ping-pong 16 MiB, read-only arrays", "r", 1.25),
    Row("given_64k", "remote.py", "numpy ping-pong 64 KiB, passed on with give()", "r", 1.2),
    Row("given_1m", "remote.py", "numpy ping-pong 1 MiB, passed on with give()", "r", 1.15),
    Row("given_16m", "remote.py", "numpy ping-pong 16 MiB, passed on with give()", "r", 1.25),
    Row("remote_flood", "remote.py", "one-way flood to another rank, per message", "r", 0.9),
    Row("hop", "local.py", "message on the same rank, chained", "m", 15),
    Row("local_flood", "local.py", "message on the same rank, flooded", "m", 9),
    Row("local_call", "local.py", "blocking call on the same rank, plain method", "m", 55),
    Row("local_coro_call", "local.py", "blocking call on the same rank, coroutine method", "m", 75),
    Row("local_channel", "local.py", "channel round trip, same rank", "m", 55),
    Row("remote_channel", "remote.py", "channel round trip, two ranks", "r", 6),
    Row("remote_call", "remote.py", "blocking call, two ranks", "r", 7),
    Row("create", "local.py", "create an array element", "m", 40),
    Row("create_bytes", "local.py", "resident bytes of an empty chare", "B", 450),
    Row("bcast", "local.py", "broadcast to 20 000 local elements, per element", "m", 6),
    Row("bcast_reduce", "local.py", "broadcast + sum reduction, per element", "m", 12),
    Row("bcast_reduce_coro", "local.py", "the same with coroutine methods", "m", 40),
    Row(
        "section_bcast",
        "local.py",
        "broadcast to a section of 1000 local members, per member",
        "m",
        10,
    ),
    Row("when", "local.py", "message gated by @when, same rank", "m", 25),
    Row("future", "local.py", "future made, sent and received on one rank", "m", 30),
    Row(
        "remote_error",
        "remote.py",
        "exception of a remote method, to the caller and raised",
        "r",
        120,
    ),
    Row("allreduce", "remote.py", "allreduce of an int, 2 ranks", "r", 7),
    Row("migrate", "remote.py", "move a small chare to the other rank", "r", 11),
    Row("pool_task", "pool.py", "pool task (fib without cut-off, 3 ranks)", "m", 150),
)

# SPDX-License-Identifier: Apache-2.0
"""Tasks in dask.distributed, two worker processes of one thread. Usage: pool_dask.py each|work|fib SIZE

fib is a graph of delayed calls, which the scheduler gets as a whole: tasks that wait for tasks of their own take much longer.
"""

import tempfile

import dask
from distributed import Client, LocalCluster
from tasks import FUNCTIONS, arguments, measure


@dask.delayed(pure=False)
def leaf(n):
    return n


@dask.delayed(pure=False)
def add(a, b):
    return a + b


def fib(n):
    return leaf(n) if n < 2 else add(fib(n - 1), fib(n - 2))


if __name__ == "__main__":
    options = arguments()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            2, threads_per_worker=1, dashboard_address=None, local_directory=folder
        ) as cluster,
        Client(cluster) as client,
    ):
        if options.kind == "fib":
            measure(options, lambda: fib(options.size).compute(scheduler=client))
        else:
            function = FUNCTIONS[options.kind]
            measure(options, lambda: sum(client.gather(client.map(function, range(options.size), pure=False))))  # fmt: skip

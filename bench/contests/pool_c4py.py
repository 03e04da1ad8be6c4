# SPDX-License-Identifier: Apache-2.0
"""Tasks in the pool of C4Py; on 3 ranks there are two workers. Usage: pool_c4py.py each|work|fib SIZE"""

from tasks import FUNCTIONS, arguments, measure

from charm4py import charm, coro


@coro
def fib(n):
    if n < 2:
        return n
    return sum(charm.pool.map(fib, [n - 1, n - 2]))


def main(args):
    options = arguments(args[1:])
    if options.kind == "fib":
        measure(options, lambda: fib(options.size))
    else:
        function = FUNCTIONS[options.kind]
        measure(options, lambda: sum(charm.pool.map(function, range(options.size))))
    exit()


charm.start(main)

# SPDX-License-Identifier: Apache-2.0
"""Tasks in a multiprocessing.Pool of two workers. Usage: pool_multiprocessing.py each|work SIZE

Its tasks cannot start tasks, so there is no fib. `each`: chunksize 1, as in the other two, where each item is a task; otherwise its own choice.
"""

from multiprocessing import Pool

from tasks import FUNCTIONS, arguments, measure

if __name__ == "__main__":
    options = arguments()
    function, chunk = FUNCTIONS[options.kind], 1 if options.kind == "each" else None
    with Pool(2) as pool:
        measure(options, lambda: sum(pool.map(function, range(options.size), chunk)))

# SPDX-License-Identifier: Apache-2.0
"""The interactive shell: ``mpirun -n 4 c4py_launcher -m c4py.interactive``, or ``charm.start(interactive=True)``.

Rank 0 reads statements from standard input; they run in a coroutine, so that ``future.get()`` and
the like work. Chare classes are defined on every rank, imports are run on every rank
(``charm.options.interactive``), everything else stays on rank 0. ``future()`` makes a future, which is
also called ``_f``; ``self`` is the shell's own chare. A wait that lasts while nothing happens on any
rank is given up after about two seconds. The end of the input ends the job once it is quiet;
``exit()`` ends it at once.
"""

from __future__ import annotations

from typing import NoReturn


def start() -> NoReturn:
    """Run the shell; to be called on every rank in place of ``charm.start()``. Does not return."""
    from ._runtime import charm

    charm.start(interactive=True)


if __name__ == "__main__":
    from c4py.interactive import start

    start()

# SPDX-License-Identifier: Apache-2.0
"""What looks at the heat solver while it runs: one chare per rank, called between the solver's time steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from c4py import Chare, Reducer, coro


class Watch(Chare):
    def __init__(self, enough: float) -> None:
        self.enough = enough  # the solver may stop when nothing is hotter than that
        self.hottest = np.inf  # what it was last time

    @coro
    def look(self, step: int, dt: float, first: int, u: Any) -> float | str | None:
        """u: this rank's rows, from row `first` on. It is the solver's own memory, which can be read only.

        Returns None: go on; a number: go on with this time step; a text: stop, and why.
        """
        of_rows = u.max(axis=1)
        row = int(of_rows.argmax())
        hottest = float(self.allreduce(float(of_rows[row]), Reducer.max).get())
        if of_rows[row] == hottest:
            where = f"row {first + row}, column {int(u[row].argmax())}"
            print(f"step {step}: the hottest spot has {hottest:.3f}, {where}")
        grown, self.hottest = hottest > self.hottest * (1 + 1e-12), hottest
        if not np.isfinite(hottest):
            return "the temperatures are no numbers any more"
        if grown:  # without a source it cannot get hotter: the time step is too long
            return dt / 2
        return "nothing is hot any more" if hottest <= self.enough else None

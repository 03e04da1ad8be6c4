# SPDX-License-Identifier: Apache-2.0
"""From repeated measurements to the figures of a row, as they stand in a record; bench/common/figures.c does the same in C."""

import statistics


def spread(ratios):
    """How far the middle half of the ratios lies apart, of their median."""
    ordered = sorted(ratios)
    n = len(ordered)
    return (ordered[3 * n // 4] - ordered[n // 4]) / ordered[n // 2]


def figures(row, seconds, yardsticks=None, best=None, against=None, without=None):
    """What is recorded of a row: medians, best times, ratios of both, and how far the single ratios lie apart.

    seconds, yardsticks: of each repetition, in turn. best: where a process works all the time and never waits, the processor times of
    the same repetitions. against: other contenders' seconds, by name. without: why others could not take part, by name.
    """
    found = {
        "row": row,
        "seconds": statistics.median(seconds),
        "best_seconds": min(best or seconds),
        "spread": spread([a / b for a, b in zip(seconds, yardsticks or [1.0] * len(seconds))]),
        "repetitions": len(seconds),
    }
    if yardsticks:
        yardstick = statistics.median(yardsticks)
        found.update(
            yardstick=yardstick,
            ratio=found["seconds"] / yardstick,
            best_yardstick=min(yardsticks),
            best_ratio=found["best_seconds"] / min(yardsticks),
        )
    if against:
        found["against"] = {
            name: {"seconds": statistics.median(their), "best_seconds": min(their)}
            for name, their in against.items()
        }
    if without:
        found["without"] = without
    return found

# SPDX-License-Identifier: Apache-2.0
"""Group-by over data frames that are spread over the ranks: partial sums travel, rows do not. Skipped without pandas."""

import numpy as np

from charm4py import Array, Chare, Future, Group, Reducer, charm

try:
    import pandas as pd
except ImportError as error:
    pd = None
    reason = error

PARTS = 5


def rows(part):
    rng = np.random.default_rng(part)
    n = 200 + 10 * part
    return pd.DataFrame(
        {
            "city": rng.choice(["Oslo", "Rome", "Lima", f"Town {part}"], n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 5, n), "D"),
            "sales": rng.integers(0, 1000, n),
            "rate": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        }
    )


def partial(frame):
    """What has to be known of some rows to know sums, means and maxima of all."""
    return frame.groupby(["city", "day"]).agg(
        sales=("sales", "sum"),
        best=("sales", "max"),
        rate=("rate", "sum"),
        rated=("rate", "count"),
    )


HOW = {"sales": "sum", "best": "max", "rate": "sum", "rated": "sum"}


def merge_frames(frames):
    """The reducer: partial results to one of the same kind, in any order."""
    return pd.concat(frames).groupby(level=["city", "day"]).agg(HOW)


Reducer.addReducer(merge_frames)


class Part(Chare):
    def __init__(self):
        self.frame = rows(self.thisIndex[0])

    def summarize(self, done):
        self.reduce(done, partial(self.frame), Reducer.merge_frames)

    def select(self, city):
        return self.frame[self.frame.city == city]

    def total(self, done):
        self.reduce(done, self.frame, Reducer.gather)


class Echo(Chare):
    def echo(self, frame):
        return frame


def main(args):
    if pd is None:
        print(f"skipped: {reason}")
        charm.exit(77)
    array = Array(Part, PARTS)
    everything = pd.concat([rows(part) for part in range(PARTS)])

    done = Future()
    array.summarize(done)
    got = done.get().sort_index()
    want = partial(everything).sort_index()
    pd.testing.assert_frame_equal(got, want)
    means = (got.rate / got.rated).rename("rate")
    pd.testing.assert_series_equal(means, everything.groupby(["city", "day"]).rate.mean())

    done = Future()
    array.total(done)
    pd.testing.assert_frame_equal(pd.concat(done.get()), everything)
    some = pd.concat(array.select("Oslo", ret=True).get())
    pd.testing.assert_frame_equal(some, everything[everything.city == "Oslo"])
    for back in Group(Echo).echo(everything, ret=True).get():
        pd.testing.assert_frame_equal(back, everything)
    print("group-by agrees")
    charm.exit()


charm.start(main)

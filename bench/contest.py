# SPDX-License-Identifier: Apache-2.0
"""Whole programs that do the same, run in turn several times, so that a change of the machine's load strikes all of them."""

import json
import math
import os
import sys

import launch
from figures import figures
from modules import why_without
from rows import RANKS, SCALING

CHECK = 1e-9  # relative; contenders must have the same result


def words_of(words, args, scale, **more):
    """A command of the table: pairs are the usual and the least count of something."""
    places = {
        "launcher": args.build / "bin" / "c4py_launcher",
        "python": sys.executable,
        "leanmd": args.build / "bench" / "leanmd" / "leanmd",
        "bench": launch.HERE,
        **more,
    }
    counts = (
        word if isinstance(word, str) else str(max(int(word[0] * scale), word[1])) for word in words
    )
    return [word.format(**places) for word in counts]


def figure_of(output):
    """What a contender printed: seconds, a number to check, and perhaps best seconds."""
    for line in reversed(output.splitlines()):
        if line.startswith("BENCH "):
            return json.loads(line[6:])
        if line.startswith("{"):  # LeanMD's record
            record = json.loads(line)
            return {
                "seconds": record["ms_per_step"] * 1e-3,
                "seconds_per_test": record["ns_per_test"] * 1e-9,
                "check": record["energies"][0]["v2"],
            }
    return None


def why_not(contender, smoke, build):
    """Why it cannot take part, or None."""
    if smoke and not contender.in_smoke:
        return "takes too long for a smoke run"
    for module in contender.needs:
        why = why_without(module, build / "bench" / "libc4p_yardstick.so")
        if why:
            return why
    return contender.cannot or None


class Contest:
    """What was found of contenders so far."""

    def __init__(self, name, contenders, args, scale):
        self.name, self.args, self.scale = name, args, scale
        reasons = {c.name: why_not(c, args.smoke, args.build) for c in contenders}
        self.without = {name: why for name, why in reasons.items() if why}
        self.able = [c for c in contenders if c.name not in self.without]
        self.found = {c.name: [] for c in self.able}
        self.failed = None

    def run_round(self, ranks=None, **more):
        """Each of them once; on its own number of ranks, or on as many as are given."""
        env = launch.bench_environment(self.args.build, self.scale)
        for contender in self.able:
            words = words_of(contender.words, self.args, self.scale, **more)
            words = launch.on_ranks(ranks or contender.ranks, words)
            output, why = launch.run(
                words, env, self.args.timeout, f"{self.name}, {contender.name}"
            )
            figure = figure_of(output) if output else None
            if figure is None:
                self.failed = why or f"{self.name}, {contender.name}: printed no figure\n{output}"
                return
            self.found[contender.name].append(figure)
        self.check_same()

    def check_same(self):
        results = {name: figures_[-1]["check"] for name, figures_ in self.found.items()}
        first = next(iter(results.values()))
        if not all(math.isclose(first, other, rel_tol=CHECK) for other in results.values()):
            self.failed = f"{self.name}: the contenders disagree: {results}"

    def times(self, name, field="seconds"):
        return [figure[field] for figure in self.found.get(name, ())]

    def best(self, name):
        return [figure.get("best", figure["seconds"]) for figure in self.found.get(name, ())]


def rounds(scale):
    """How often all contenders run."""
    return max(int(3 * scale + 0.5), 1)


def run_contest(contest, wanted, args, scale):
    """The rows of a contest that are wanted, and what went wrong."""
    state = Contest(contest.name, contest.contenders, args, scale)
    for _ in range(rounds(scale)):
        if not state.failed:
            state.run_round()
    if state.failed:
        return [], state.failed
    return [row_of(state, result) for result in contest.results if result.row in wanted], None


def row_of(state, result):
    """A row: one contender against another one."""
    if result.field:
        return figures(result.row, state.times(result.ours, result.field))
    ours = state.times(result.ours)
    if not ours:
        return {"row": result.row, "without": {result.ours: state.without[result.ours]}}
    others = set() if result.alone else set(state.found) - {result.ours, result.yardstick}
    return figures(
        result.row,
        ours,
        state.times(result.yardstick),
        state.best(result.ours),
        {name: state.times(name) for name in state.found if name in others},
        state.without,
    )


# ---- more and more ranks -----------------------------------------------------------------------


def run_scaling(series, args, scale, say):
    """One line of the record for each contender and number of ranks, and what went wrong."""
    cores = len(os.sched_getaffinity(0))
    points = []
    for ranks in RANKS:
        say(f"{series.text}, {series.kind}, {launch.ranks_text(ranks)}")
        size = series.size * (ranks if series.kind == "weak" else 1)
        state = Contest(f"{series.name} on {ranks} ranks", series.contenders, args, scale)
        for _ in range(rounds(scale)):
            if not state.failed:
                state.run_round(ranks, size=size)
        if state.failed:
            return points, state.failed
        for name in state.found:
            point = figures(series.name, state.times(name), best=state.best(name))
            del point["row"]
            about = {"series": series.name, "contender": name, "ranks": ranks}
            points.append({**about, "oversubscribed": ranks > cores, **point})
    return points, None


def run_all_scaling(only, args, scale, say):
    points, failed = [], []
    for series in SCALING:
        if only in series.name:
            found, why = run_scaling(series, args, scale, say)
            points += found
            failed += [why] if why else []
    return points, failed

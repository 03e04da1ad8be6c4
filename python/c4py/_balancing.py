# SPDX-License-Identifier: Apache-2.0
"""Load balancing of a running job: which strategies the program and its command line ask for, and what rank 0 says of each round."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from . import _c4py
from ._cli import Parsed
from ._errors import Charm4PyError
from ._options import Options


class NotUnderstood(Charm4PyError):
    """A strategy or setting that does not exist; the text says what there is.

    by_launcher: it was named on the command line or in the environment, not by the program.
    """

    def __init__(self, text: str, by_launcher: bool = False) -> None:
        super().__init__(text)
        self.by_launcher = by_launcher


def start(flags: Parsed, options: Options) -> None:
    """Set the balancer up, on every rank, before the program runs.

    options: its ``balancer``, ``balance_*`` and ``on_balance``. ``+balancer`` on the command line goes before
    all, then the launcher's --balancer (C4PY_BALANCER). Raises NotUnderstood.
    """
    given = [name for name in flags.flags.get("+balancer", ()) if name]
    chosen = given or _as_list(os.environ.get("C4PY_BALANCER") or options.balancer)
    if flags.has("+LBOff") or not chosen:
        return
    names = []
    try:
        for one in chosen:
            names += [_add_own(one)] if callable(one) else [_checked(n) for n in one.split(",")]
    except NotUnderstood as error:
        error.by_launcher = bool(given or os.environ.get("C4PY_BALANCER"))
        raise
    _c4py.lb_use(",".join(names))
    _c4py.lb_period(_period(flags, options))
    _set_predictor(flags, options)
    _set_speed(flags, options)
    if flags.has("+LBCommOff"):
        _c4py.lb_graph(False)
    elif flags.has("+LBCommOn") or options.balance_graph:
        _c4py.lb_graph(True)
    if _c4py.rank() != 0:
        return
    path = os.environ.get("C4PY_BALANCE_RECORD")
    if path:
        _record(path)
    listeners = [options.on_balance] if options.on_balance is not None else []
    if flags.has("+LBDebug") and flags.last("+LBDebug") != "0":
        listeners.append(_log)
    if listeners:
        _report_to(listeners)


def _log(round: dict[str, Any]) -> None:
    _c4py.log("warn", describe(round))


def _report_to(listeners: list[Callable[[dict[str, Any]], object]]) -> None:
    """Tell all of them of each round."""

    def tell(round: dict[str, Any]) -> None:
        for listener in listeners:
            listener(round)

    _c4py.lb_on_round(tell)


def _as_list(balancer: Any) -> list[Any]:
    if balancer is None:
        return []
    return list(balancer) if isinstance(balancer, (list, tuple)) else [balancer]


def _period(flags: Parsed, options: Options) -> int:
    """Points from round to round; 0 for "auto"."""
    given: Any = flags.last("+LBPeriod") or ("auto" if flags.has("+MetaLB") else None)
    given = options.balance_period if given is None else given
    if given == "auto":
        return 0
    try:
        points = int(given)
    except (TypeError, ValueError):
        points = 0
    if points < 1 or points >= 1 << 64 or str(points) != str(given):
        raise NotUnderstood(
            f"load balancing: the period (charm.options.balance_period, +LBPeriod) is a number of synchronization points, 1 or "
            f'more, or "auto", not {given!r}',
            flags.has("+LBPeriod"),
        )
    return points


def _set_predictor(flags: Parsed, options: Options) -> None:
    given: Any = options.balance_predictor
    if flags.has("+LBPredictor"):
        window = flags.last("+LBPredictorWindow")
        given = flags.last("+LBPredictor") or "linear" + (f":{window}" if window else "")
    try:
        _c4py.lb_predict(given)
    except (Charm4PyError, TypeError):
        raise NotUnderstood(
            "load balancing: the predictor (charm.options.balance_predictor, +LBPredictor=) is last, mean, median or linear, the "
            f'latter with a number of rounds from 1 to 64 if wanted, such as "mean:5", not {given!r}',
            flags.has("+LBPredictor"),
        ) from None


def _set_speed(flags: Parsed, options: Options) -> None:
    given: Any = "measure" if flags.has("+LBTestPESpeed") else options.balance_speed
    if given is None:
        return
    try:
        if given == 0:
            raise ValueError
        _c4py.lb_speed(0.0 if given == "measure" else given)
    except (Charm4PyError, TypeError, ValueError):
        raise NotUnderstood(
            "load balancing: the speed of a rank (charm.options.balance_speed) is a number from 1e-6 to 1e6 that says how fast it is "
            f'relative to the others, or "measure", not {given!r}'
        ) from None


def _checked(name: str) -> str:
    """The name of a built-in strategy for one that a user gave; functions of the program are named by themselves."""
    found = _c4py.lb_find(name.strip()) if isinstance(name, str) else None
    if found is None:
        known = "\n".join(f"  {name:14} {what}" for name, what in _c4py.lb_builtins())
        raise NotUnderstood(
            f"load balancing: there is no strategy {name!r}; there are\n{known}\n"
            "and the reference's names for them, such as GreedyRefineLB"
        )
    return found


def _add_own(strategy: Callable[[Any], Any]) -> str:
    """Make a function known as a strategy; returns its name."""
    name = getattr(strategy, "__name__", "own").replace(",", "_")
    name = f"{name} (of the program)"

    def call(fields: dict[str, Any]) -> Any:
        from ._balance import run

        return run(strategy, _view(fields))

    _c4py.lb_add(name, call)
    return name


def _view(fields: dict[str, Any], names: list[str] | None = None) -> Any:
    """A `c4py.balance.View` of what the runtime gave."""
    import numpy as np

    from ._balance import _TYPES, View

    numbers = {key: fields.pop(key) for key in ("seed", "round", "num_ranks")}
    del fields["num_objects"]
    dims = fields.pop("num_coords")
    arrays: dict[str, Any] = {}
    for key, value in fields.items():
        arrays[key] = np.frombuffer(value, _TYPES[key])
    if "coords" in arrays:
        arrays["coords"] = arrays["coords"].reshape(-1, dims)
    return View(names=names, **numbers, **arrays)


def _edges(view: Any, names: list[str]) -> list[list[tuple[str, int]]]:
    """Of each object those to others that come after it: each pair once. Nothing if they are not known."""
    if view.edge_first is None:
        return []
    found = []
    for i in range(view.num_objects):
        ends = range(view.edge_first[i], view.edge_first[i + 1])
        pairs = ((int(view.edge_to[e]), int(view.edge_bytes[e])) for e in ends)
        found.append([(names[j], count) for j, count in pairs if j > i])
    return found


def _record(path: str) -> None:
    """Write what each round measured to a file, lines of JSON as `c4py.balance` reads them."""
    try:
        file = open(path, "w", encoding="utf-8")
    except OSError as error:
        _c4py.abort(f"loads cannot be recorded in {path}: {error.strerror}", 73)
        raise

    def write(fields: dict[str, Any], names: list[str]) -> None:
        view = _view(fields, names)
        edges = _edges(view, names)
        for pe in range(view.num_ranks):
            line = {"round": view.round, "pe": pe, "host": int(view.node[pe])}
            line["background"] = float(view.background[pe])
            if view.speed is not None:
                line["speed"] = float(view.speed[pe])
            file.write(json.dumps(line) + "\n")
        for i, name in enumerate(names):
            values = {"rank": int(view.rank[i]), "load": float(view.load[i])}
            if view.bytes[i]:
                values["bytes"] = int(view.bytes[i])
            values["messages"] = int(view.messages[i])
            values["bytes_sent"] = int(view.bytes_sent[i])
            line = {
                "round": view.round,
                "object": name,
                **values,
                "coords": view.coords[i].tolist(),
            }
            if edges:
                line["edges"] = edges[i]
            file.write(json.dumps(line) + "\n")
        file.flush()

    _c4py.lb_on_view(write)


def describe(round: dict[str, Any]) -> str:
    """One line about a round."""
    worth = round["worth"]
    mean = worth["mean"] or 1.0
    text = (
        f"load balancing, round {round['number']}, {round['strategy']}: max/avg of the ranks' loads "
        f"{worth['max_before'] / mean:.2f}"
    )
    if worth["moved"] == 0:
        return f"{text}; nothing to move ({round['seconds'] * 1e3:.1f} ms)"
    if round["skipped"]:
        return f"{text}; nothing moves, as it would not pay back ({round['seconds'] * 1e3:.1f} ms)"
    time = ""
    if round["expected_s"]:
        time = f"; from point to point {round['point_s'] * 1e3:.1f} ms, expected {round['expected_s'] * 1e3:.1f} ms"
    between = ""
    if worth["cut_before"]:
        between = f"; bytes between ranks: {worth['cut_before']}, expected {worth['cut_after']}"
    return (
        f"{text}, expected {worth['max_after'] / mean:.2f}{time}{between}; {worth['moved']} of {round['num_objects']} objects moved"
        f" ({worth['moved_bytes']} bytes), {round['refused']} could not ({round['seconds'] * 1e3:.1f} ms)"
    )

# SPDX-License-Identifier: Apache-2.0
"""Load balancing offline, in an ordinary Python without a job: c4py.balance and its command line.

Usage: balance.py DIRECTORY, which holds the packages (and the extension module) of the build.
"""

import json
import os
import subprocess
import sys
import tempfile

package_dir = sys.argv[1]
sys.path.insert(0, package_dir)
os.environ["PYTHONPATH"] = package_dir

import numpy as np  # noqa: E402

from c4py import _c4py  # noqa: E402
from c4py._runtime import say_nothing_at_exit  # noqa: E402
from c4py.balance import View, judge, main, read, run  # noqa: E402

checks = 0


def check(truth, what):
    global checks
    checks += 1
    if not truth:
        sys.exit(f"FAILED: {what}")


def refused(part, call, *args, kind=ValueError):
    """The call raises an exception of this kind that says this."""
    try:
        call(*args)
    except kind as error:
        check(part in str(error), f"{part!r} in {error!r}")
    else:
        check(False, f"{call} must refuse {args}")


def record_lines(columns=8, rows=6, ranks=4, rounds=(2, 3)):
    """A grid of objects that talk to the right and down; the left half works five times as much in the last round."""
    for number in rounds:
        for pe in range(ranks):
            yield {"round": number, "pe": pe, "host": pe // 2, "background": 0.5, "speed": 1.0}
        for i in range(columns * rows):
            x, y = i % columns, i // columns
            edges = [[f"Cell[{x + 1},{y}]", 100]] if x + 1 < columns else []
            edges += [[f"Cell[{x},{y + 1}]", 10]] if y + 1 < rows else [["Elsewhere[0]", 7]]
            yield {
                "round": number,
                "object": f"Cell[{x},{y}]",
                "rank": x * ranks // columns,
                "load": 5.0 if number == rounds[-1] and x < columns // 2 else 1.0,
                "bytes": 1000 + i,
                "coords": [x, y],
                "edges": edges,
            }


def text_of(lines):
    return [json.dumps(line) for line in lines]


def views():
    first, last = read(text_of(record_lines()))
    check((first.round, last.round) == (2, 3), "rounds in order")
    view = last.view(seed=5)
    check((view.num_objects, view.num_ranks, view.num_nodes) == (48, 4, 2), "sizes")
    check(view.coords.shape == (48, 2) and view.names[9] == "Cell[1,1]", "coordinates and names")
    # The object at (1, 1) has four neighbours; to the right and left go 100 bytes, up and down 10.
    begin, end = view.edge_first[9:11]
    neighbours = dict(zip(view.edge_to[begin:end].tolist(), view.edge_bytes[begin:end].tolist()))
    check(neighbours == {1: 10, 8: 100, 10: 100, 17: 10}, f"both directions: {neighbours}")
    check(np.allclose(view.times(view.rank), [60.5, 60.5, 12.5, 12.5]), "times of ranks")
    worth = judge(view, view.rank)
    check((worth["max_before"], worth["mean"], worth["moved"]) == (60.5, 36.5, 0), "judged")
    check(worth["cut_before"] == 3 * 6 * 100, "three borders of six pairs each")

    refused("read-only", setattr, view, "seed", 1, kind=AttributeError)
    refused("read-only", view.load.__setitem__, 0, 1.0)
    refused("no colour", lambda: View(num_ranks=1, load=[], rank=[], colour=1), kind=TypeError)

    more = view.on_ranks(8)
    check(more.num_nodes == 4 and more.speed is None, "hosts of as many ranks as before")
    check(np.bincount(more.rank).tolist() == [6] * 8, "each rank's objects go to two ranks")
    fewer = view.on_ranks(2)
    check(np.array_equal(fewer.rank, view.rank // 2), "two neighbouring ranks' objects go to one")


def strategies():
    (record,) = read(text_of(record_lines(rounds=[1])))
    view = record.view()
    for name, _ in _c4py.lb_builtins():
        plan = run(name, view)
        check(plan.shape == (48,) and plan.min() >= 0 and plan.max() < 4, name)
    check(judge(view, run("GreedyLB", view))["max_after"] <= 38.5, "greedy balances")
    rotated = run("rotate", view)
    check(np.array_equal(rotated, (view.rank + 1) % 4), "rotate, as the C tests define it")

    check(np.array_equal(run(lambda v: [0] * v.num_objects, view), np.zeros(48)), "a list")
    check(np.array_equal(run(lambda v: iter(v.rank), view), view.rank), "an iterator")
    refused("there is no strategy 'best'", run, "best", view)
    refused("object 3 to rank 4; there are 4", run, lambda v: [0, 0, 0, 4] + [0] * 44, view)
    refused("(47,) values for 48 objects", run, lambda v: [0] * 47, view)
    refused("ranks are integers", run, lambda v: [0.5] * 48, view)
    refused("a sequence of ranks, not None", run, lambda v: None, view)

    bare = View(num_ranks=2, load=[1, 2, 3], rank=[0, 0, 0])
    refused("needs coordinates", run, "rcb", bare)
    refused("needs to know who talks", run, "comm-refine", bare)
    for wrong, part in (
        ({"load": [1, np.nan, 3]}, "not a number"),
        ({"rank": [0, 0, 2]}, "rank of an object is out of range"),
        ({"rank": [0, 0]}, "rank must have 3 items, not 2"),
        ({"speed": [1, 1, 1]}, "speed must have 2 items, not 3"),
        ({"edge_first": [0, 1, 1, 1], "edge_to": [1], "edge_bytes": [5]}, "both sides"),
        ({"edge_to": [1]}, "no edge_first"),
        ({"node": [0, -1]}, "host of a rank"),
    ):
        fields = {"num_ranks": 2, "load": [1, 2, 3], "rank": [0, 0, 0], **wrong}
        refused(part, run, "greedy", View(**fields))
    refused(
        "100 C ints",
        _c4py.lb_run,
        "greedy",
        View(num_ranks=1, load=[1] * 100, rank=[0] * 100),
        np.zeros(99, np.intc),
    )
    refused("does not exist", judge, bare, [0, 1, 2])
    check(len(run("greedy", View(num_ranks=2, load=[], rank=[]))) == 0, "no objects")

    class Odd:
        """Any object with the attributes is a view; one with wrong types is refused."""

        def __init__(self, **fields):
            self.__dict__.update({name: getattr(bare, name) for name in View.__slots__}, **fields)

    plan = np.zeros(3, np.intc)
    _c4py.lb_run("rotate", Odd(), plan)
    check(plan.tolist() == [1, 1, 1], "duck typing")
    refused("'f'", _c4py.lb_run, "none", Odd(load=np.zeros(3, np.float32)), plan, kind=TypeError)
    long = Odd(rank=np.zeros(3, np.int64))
    refused("rank must be an array of items of 4", _c4py.lb_run, "none", long, plan, kind=TypeError)
    refused("too large", _c4py.lb_run, "none", Odd(num_ranks=2**40), plan)
    refused("has no attribute", _c4py.lb_run, "none", object(), plan, kind=AttributeError)


def bad_records():
    good = text_of(record_lines())
    for line, part in (
        ("{", "record:2: "),
        ("[1]", "record:2: is no JSON object"),
        ('{"object": "a", "rank": 0}', "record:2: has no 'load'"),
        ('{"object": "a", "rank": -1, "load": 1}', "record:2: 'rank' must be a whole number"),
        ('{"object": "a", "rank": 0, "load": "x"}', "record:2: 'load' must be a number"),
        ('{"object": "a", "rank": 0, "load": 1, "edges": [["b"]]}', "'edges' must be pairs"),
        ('{"load": 1}', "record:2: has no 'pe'"),
    ):
        refused(part, lambda line=line: list(read([good[0], line])))
    refused("twice", lambda: next(read([*good, *good])).view())
    refused("no line of rank 1", lambda: next(read(['{"pe": 0}', '{"pe": 2}'])).view())


def tool(*words, status=0, **kwargs):
    done = subprocess.run(
        [sys.executable, "-m", "c4py.balance", *words],
        text=True,
        capture_output=True,
        timeout=60,
        **kwargs,
    )
    check(done.returncode == status, f"{words}: {done.returncode}, {done.stdout}{done.stderr}")
    check(status != 0 or not done.stderr, done.stderr)
    return done.stdout if status == 0 else done.stderr


def command_line():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dump.jsonl")
        mine = os.path.join(folder, "mine.py")
        with open(path, "w") as file:
            file.write("\n".join(text_of(record_lines())))
        with open(mine, "w") as file:
            file.write("def thirds(view):\n    return [i % 3 for i in range(view.num_objects)]\n")
            file.write("def broken(view):\n    return 1 // 0\n")
        out = tool(path, "--strategy", f"greedy,RefineLB,{mine}:thirds").splitlines()
        check(out[0] == "48 objects on 4 ranks of 2 hosts, round 3", out)
        check(out[1].startswith("now: max/avg 1.658, longest 60.5 s, 1.8 kB between"), out)
        check(
            [line.split()[0] for line in out[3:]] == ["strategy", "greedy", "refine", "thirds"], out
        )
        # 24 objects of 5 and of 1 and 2 of background: a third each and 0.5 is 48.5; rank 3 stays empty.
        check(out[6].split()[1:4] == ["1.329", "48.5", "s"], out)
        check("on 12 ranks of 6 hosts" in tool(path, "--ranks", "12"), "--ranks")
        check("max/avg 1.000" in tool(path, "--round", "2"), "--round")
        with open(path) as file:
            check("48 objects" in tool("-", stdin=file), "standard input")
        check("greedy-refine" in tool("--list"), "--list")

        check("no strategy 'x'" in tool(path, "--strategy", "x", status=1), "unknown strategy")
        check("no Python file" in tool(path, "--strategy", "no.py:f", status=1), "no such file")
        check("no function 'f'" in tool(path, "--strategy", mine + ":f", status=1), "no function")
        said = tool(path, "--strategy", mine + ":broken", status=1)
        check("ZeroDivisionError" in said and "mine.py" in said, "the traceback of the strategy")
        check(
            "has no round 9; it has 2, 3" in tool(path, "--round", "9", status=1), "no such round"
        )
        check("No such file" in tool(path + "x", status=1), "no such record")
        check("1 or more" in tool(path, "--ranks", "0", status=2), "bad number of ranks")
        picture = os.path.join(folder, "out.png")
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            said = tool(path, "--plot", picture, status=1)
            check("needs matplotlib" in said, "a plot without matplotlib")
        else:
            tool(path, "--plot", picture)
            with open(picture, "rb") as file:
                check(file.read(8) == b"\x89PNG\r\n\x1a\n", "a picture")
            check("out.xyz" in tool(path, "--plot", picture[:-3] + "xyz", status=1), "bad format")
    check(main(["--list"]) == 0, "callable from Python")


say_nothing_at_exit()
views()
strategies()
bad_records()
command_line()
print(f"{checks} checks passed")

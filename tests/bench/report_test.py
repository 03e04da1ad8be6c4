#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/report: how records are read, judged and compared, and what the page shows of them; with records made by hand."""

import html.parser
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import contest  # noqa: E402
import page  # noqa: E402
import records  # noqa: E402
import rows  # noqa: E402
import tables  # noqa: E402
from figures import figures  # noqa: E402

VOID = {"meta", "br", "path", "rect", "circle", "polyline"}


def measured(row, ratio, best=None, spread=0.02, **more):
    """A row whose yardstick took a microsecond."""
    best = ratio if best is None else best
    return {"row": row, "seconds": ratio * 1e-6, "yardstick": 1e-6, "ratio": ratio, "best_seconds": best * 1e-6,
            "best_yardstick": 1e-6, "best_ratio": best, "spread": spread, "repetitions": 9, **more}  # fmt: skip


def record(*rows, **more):
    return {"format": 2, "time": "2026-11-22 20:13", "machine": {"cpu": "Some <CPU>", "cores": 2, "system": "Linux 6"}, "load": 0.1,
            "commit": "abc", "compiler": "cc 12", "mpi": "MPI 4", "python": "3.11", "scale": 1.0, "rows": list(rows), **more}  # fmt: skip


def point(series, contender, ranks, seconds):
    return {"series": series, "contender": contender, "ranks": ranks, "oversubscribed": ranks > 2,
            "seconds": seconds, "best_seconds": seconds, "repetitions": 3}  # fmt: skip


def kinds(old, new):
    return {c.row.name: c.kind for c in records.compare(record(*old), record(*new))}


class Nesting(html.parser.HTMLParser):
    """Elements that are open, all names seen, and all attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"


class Comparing(unittest.TestCase):
    def test_what_got_slower_by_more_than_its_noise_is_a_regression(self):
        self.assertEqual({"hop": "regression"}, kinds([measured("hop", 10)], [measured("hop", 13)]))

    def test_what_got_faster_by_more_than_its_noise_is_an_improvement(self):
        self.assertEqual(
            {"hop": "improvement"}, kinds([measured("hop", 13)], [measured("hop", 10)])
        )

    def test_less_than_a_tenth_is_noise(self):
        self.assertEqual({"hop": "same"}, kinds([measured("hop", 10)], [measured("hop", 10.9)]))

    def test_a_row_that_scatters_must_change_by_more(self):
        for old, new in ((0.4, 0.02), (0.02, 0.4)):
            was, now = measured("hop", 10, spread=old), measured("hop", 13, spread=new)
            self.assertEqual({"hop": "same"}, kinds([was], [now]))

    def test_neither_the_median_nor_the_best_alone_counts(self):
        was = measured("hop", 10, best=9)
        for now in (measured("hop", 20, best=9), measured("hop", 10, best=18)):
            self.assertEqual({"hop": "same"}, kinds([was], [now]))

    def test_bytes_are_compared(self):
        was, now = {"row": "create_bytes", "bytes": 266.0}, {"row": "create_bytes", "bytes": 400.0}
        self.assertEqual({"create_bytes": "regression"}, kinds([was], [now]))
        nothing = {"row": "c_growth", "bytes": 0.0}
        self.assertEqual({"c_growth": "same"}, kinds([nothing], [nothing]))

    def test_rows_of_one_record_only_are_told_and_are_no_regression(self):
        self.assertEqual({"hop": "gone", "when": "new"}, kinds([measured("hop", 10)], [measured("when", 10)]))  # fmt: skip

    def test_a_row_whose_yardstick_was_left_out_cannot_be_compared(self):
        left_out = {
            "row": "stencil",
            "seconds": 1.0,
            "best_seconds": 1.0,
            "without": {"mpi4py": "mpi4py is not installed"},
        }
        self.assertEqual({"stencil": "gone"}, kinds([measured("stencil", 1)], [left_out]))


class Judging(unittest.TestCase):
    def test_a_busy_machine_is_judged_by_the_best_times(self):
        one, row = measured("hop", 20, best=14), rows.BY_NAME["hop"]  # target 15
        self.assertFalse(records.is_busy(record(load=0.9)))
        self.assertTrue(records.is_busy(record(load=1.1)))
        self.assertEqual("reached", records.state(row, one, True))
        self.assertEqual("within 1.5x", records.state(row, one, False))
        self.assertEqual("MISSED", records.state(row, measured("hop", 22.6), False))

    def test_more_ranks_than_cores_are_marked(self):
        found = record(measured("c_bcast_4", 3), measured("c_bcast_2", 3))
        lines = [line for line in tables.table(found) if "oversubscribed" in line]
        self.assertEqual(1, len(lines))
        self.assertIn("4 ranks", lines[0])
        self.assertEqual(2, page.page([found]).count(">oversubscribed<"))  # its row and its bars
        found["machine"]["cores"] = 8
        self.assertNotIn("oversubscribed", page.page([found]))

    def test_whoever_was_left_out_is_named_with_the_reason(self):
        one = {
            "row": "stencil",
            "seconds": 1e-3,
            "best_seconds": 1e-3,
            "without": {"mpi4py": "mpi4py is not installed"},
        }
        for text in ("\n".join(tables.table(record(one))), page.page([record(one)])):
            self.assertIn("without mpi4py: mpi4py is not installed", text)
            self.assertIn("left out", text)

    def test_figures_of_repetitions(self):
        found = figures("x", [3.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 2.0])
        self.assertEqual((2.0, 1.0, 2.0, 1.0, 4), tuple(found[k] for k in ("seconds", "best_seconds", "ratio", "best_ratio", "repetitions")))  # fmt: skip
        self.assertEqual(1.0, found["spread"])  # ratios 1, 1, 2, 3: quarters at 1 and 3, middle 2


class Page(unittest.TestCase):
    def make(self, *found, **more):
        text = page.page(list(found), **more)
        nesting = Nesting()
        nesting.feed(text)
        self.assertEqual([], nesting.open)
        return text, nesting

    def test_it_needs_nothing_from_elsewhere(self):
        text, nesting = self.make(record(measured("hop", 10)))
        self.assertFalse({"script", "link", "img", "iframe", "object"} & set(nesting.seen))
        self.assertFalse({"src", "href", "xlink:href"} & {name for name, _ in nesting.attributes})
        self.assertIsNone(re.search(r"url\(|@import|https?:", text))
        self.assertIn("Some &lt;CPU&gt;", text)

    def test_reached_and_missed_are_counted(self):
        found = [
            measured("hop", 10),
            measured("local_flood", 10),
            measured("bcast", 60),
            measured("c_bcast_2", 3),
            {"row": "leanmd_py_4", "without": {"C": "why not"}},
        ]
        text, _ = self.make(record(*found))
        self.assertEqual(["1", "1", "1", "1", "1"], re.findall(r"<li[^>]*><b>(\d+)</b>", text))
        self.assertIn(
            "broadcast to 20 000 local elements, per element: <b>60</b> m, target 6", text
        )

    def test_contenders_have_bars_in_proportion(self):
        beside = {"dask.distributed": {"seconds": 8e-6, "best_seconds": 8e-6}}
        text, _ = self.make(record(measured("pool_each", 2, against=beside)))
        bars = re.findall(r'class="(ours|theirs)" width="([\d.]+)"', text)
        self.assertEqual([("ours", "25.0"), ("theirs", "12.5"), ("theirs", "100.0")], bars)
        self.assertIn("4 ×", text)

    def test_scaling_has_hollow_points_beyond_the_cores_and_an_ideal_line(self):
        points = [point("stencil_strong", "C4Py", n, 1 / n) for n in (1, 2, 4, 8)]
        text, _ = self.make(record(scaling=points))
        self.assertEqual((2, 2), (text.count('class="dot c0"'), text.count('class="hollow c0"')))
        ideal = list(page.ideal_points("strong", 1.0, (1, 2, 4, 8), 2))
        self.assertEqual([(1, 1.0), (2, 0.5), (4, 0.5), (8, 0.5)], ideal)
        ideal = list(page.ideal_points("weak", 1.0, (1, 2, 4), 2))
        self.assertEqual([(1, 1.0), (2, 1.0), (4, 2.0)], ideal)

    def test_several_records_have_a_history(self):
        text, _ = self.make(*(record(measured("hop", ratio)) for ratio in (10, 12, 11)))
        self.assertEqual(1, text.count('class="spark"'))
        self.assertNotIn("History", self.make(record(measured("hop", 10)))[0])

    def test_a_comparison_stands_on_it(self):
        old, new = record(measured("hop", 10)), record(measured("hop", 20))
        text, _ = self.make(old, new, changes=records.compare(old, new), old=old)
        self.assertIn('<span class="state bad">1</span> Regressions', text)
        self.assertIn("+100%", text)


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, *lines):
        path = self.folder / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))  # fmt: skip
        return str(path)

    def report(self, *words, status=0):
        done = subprocess.run([sys.executable, BENCH / "report", *words], capture_output=True, text=True)  # fmt: skip
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stdout if status < 2 else done.stderr

    def test_a_regression_is_the_exit_status(self):
        old, new = (self.file(str(ratio), record(measured("hop", ratio))) for ratio in (10, 13))
        self.assertIn("hop", self.report("--compare", old, new, status=1))
        self.assertIn("Improvements: 1", self.report("--compare", new, old))
        self.assertIn("1 rows within their noise", self.report("--compare", old, old))

    def test_two_records_of_one_file_are_compared(self):
        path = self.file("runs.jsonl", *(record(measured("hop", ratio)) for ratio in (10, 13, 10)))
        self.report("--compare", f"{path}:1", f"{path}:2", status=1)
        self.report("--compare", f"{path}:-2", path)
        self.assertIn("has records 1 to 3", self.report("--compare", f"{path}:4", path, status=2))

    def test_a_record_of_scaling_only_is_passed_over(self):
        rows, scaling = (
            record(measured("hop", 10)),
            record(scaling=[point("stencil_weak", "C4Py", 1, 1)]),
        )
        path = self.file("runs.jsonl", rows, scaling)
        self.assertIn("1 rows within", self.report("--compare", f"{path}:1", path))
        self.assertIn("only scaling", self.report("--compare", path, f"{path}:2", status=2))
        self.report(path)
        self.assertIn("<h2", (self.folder / "runs.html").read_text())

    def test_a_page_is_written_beside_the_records(self):
        path = self.file("runs.jsonl", record(measured("hop", 10)))
        self.report(path)
        self.assertIn("<h1>", (self.folder / "runs.html").read_text())
        self.assertIn("No such file", self.report(path, "-o", "/nowhere/page.html", status=2))

    def test_what_cannot_be_read_is_said(self):
        good = record(measured("hop", 10))
        for words, lines in (
            ("line 2: no JSON", (good, '{"format": 2, "rows": [')),
            ("is empty", ()),
            ("no record of ./dev bench", ([1, 2],)),
            ("no record of ./dev bench", ({"format": 2, "rows": 5, "machine": {"cores": 2}},)),
            ("format 1, and this is a reader of format 2", ({**good, "format": 1},)),
        ):
            self.assertIn(words, self.report(self.file("bad", *lines), status=2))
        self.assertIn("No such file", self.report(str(self.folder / "none"), status=2))

    def test_rows_that_are_not_known_are_left_out_and_named(self):
        path = self.file("runs.jsonl", record(measured("hop", 10), measured("gone_since", 1)))
        done = subprocess.run([sys.executable, BENCH / "report", "--text", path], capture_output=True, text=True)  # fmt: skip
        self.assertIn("gone_since", done.stderr)
        self.assertIn("message on the same rank, chained", done.stdout)


class Contests(unittest.TestCase):
    """Programs that are run in turn."""

    def contest(self, *printed):
        class Args:
            build, smoke, timeout = Path("/none"), False, 60

        able = [rows.Contender(f"n{i}", 0, ("{python}", "-c", f"print('BENCH {{{text}}}')")) for i, text in enumerate(printed)]  # fmt: skip
        able.append(rows.Contender("other", 0, ("false",), ("no_such_module",)))
        state = contest.Contest("test", able, Args, 1.0)
        state.run_round()
        return state

    def test_each_has_its_figures_and_the_missing_ones_a_reason(self):
        state = self.contest('{"seconds": 1, "check": 5}', '{"seconds": 2, "check": 5}')
        self.assertIsNone(state.failed)
        row = contest.row_of(state, rows.Result("x", "n1", "n0"))
        self.assertEqual((2.0, {"other": "no_such_module is not installed"}), (row["ratio"], row["without"]))  # fmt: skip

    def test_contenders_must_have_the_same_result(self):
        state = self.contest('{"seconds": 1, "check": 5}', '{"seconds": 2, "check": 6}')
        self.assertIn("disagree", state.failed)

    def test_every_row_is_of_a_program_or_contest_that_there_is(self):
        results = {result.row for contest_ in rows.CONTESTS for result in contest_.results}
        self.assertEqual(results, {row.name for row in rows.ROWS} & results)
        for row in rows.ROWS:
            self.assertIn(row.program, rows.RANKS_OF)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the Promela models: the protocols as built hold, and each rule left out makes its model fail.

Without arguments all variants are checked. A variant that should pass must be searched completely and reach
its final checks; one that should fail must break the assertion that the table names. Exit status: 0, 1 if a
variant behaved otherwise, 77 if Spin or a C compiler is missing.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent

# Ways to fail: a part of the assertion's text as the checker prints it, and what it means.
LOST = "ms[x]=="
CIRCLES = "mk["
WRONGLY_DEAD = "died>=mi["
TOO_OLD = "<=born"
NEVER_MADE = "!(making)"
TO_ITSELF = "kr!=x"
TOO_EARLY = "queued[i]==0"
NEVER_DONE = "done=="
NOT_READY = "waits[e2]"
FORGOTTEN = "next[e]=="
CLOSED_EARLY = ">=done"
LEFT_OPEN = "flying[r]==0"
AFTER_END = "phase[r]!=2"
NOT_QUIET = "violated (((((((flying"
NEVER_EQUAL = "violated ( !("
AGAIN = "(ahead&"
UNHEARD = "(heard=="
NOT_WHOLE = "(manifest==0)||("
FORMER = "manifest>=reported"
MEANINGS = {
    LOST: "a message is held for ever",
    CIRCLES: "a message is sent too often",
    WRONGLY_DEAD: "a message to a living chare is given up",
    NEVER_MADE: "a creation waits for ever",
    TOO_OLD: "a message reaches an earlier incarnation than the one it was meant for",
    TO_ITSELF: "a message is sent to the rank where it is",
    TOO_EARLY: "the end is announced while there is work",
    NEVER_DONE: "a reduction does not complete",
    NOT_READY: "a synchronization point is passed without somebody who is not ready",
    FORGOTTEN: "somebody waits for a point that was passed",
    CLOSED_EARLY: "a reduction is closed without somebody who owes it",
    LEFT_OPEN: "the job ends with a message on its way",
    AFTER_END: "a rank that has ended is sent something",
    NOT_QUIET: "quiescence is announced while something is on its way or held",
    NEVER_EQUAL: "nothing is left, and it is not announced",
    AGAIN: "a member hears a broadcast again",
    UNHEARD: "a broadcast or a contribution is lost",
    NOT_WHOLE: "after a crash the checkpoint is not whole",
    FORMER: "after a crash a checkpoint is lost that was reported",
}

# A line of each model's final checks, which a passing search must have reached.
FINAL = {
    "location": "assert(!making &&",
    "qd": "assert(!busy)",
    "reduction": "assert(done == NRED)",
    "population": "assert(done == NRED)",
    "sync": "assert(where[e] == UNMADE || next[e] == NP)",
    "exit": "assert(flying[r] == 0 && phase[r] == ENDED",
    "quiet": "assert(NOTHING_LEFT) }",
    "section": "assert(heard == NB && total == NC)",
    "checkpoint": "assert(manifest == NS &&",
}


@dataclasses.dataclass(frozen=True)
class Variant:
    name: str
    flags: str = ""
    breaks: str = ""  # one of the ways to fail; empty: must hold
    large: str = ""  # flags for --large; empty: the same
    limit_s: int = 300

    @property
    def model(self) -> str:
        return self.name.split(".")[0]


VARIANTS = [
    # the protocol as built
    Variant("location.two-messages", "-DNG=1", large="-DNG=2"),
    Variant("location.more-moves", "-DNG=3 -DNI=1", large="-DNG=4 -DNI=1"),
    Variant("location.three-incarnations", "-DNM=1 -DNG=1 -DNI=3", large="-DNM=1 -DNG=2 -DNI=3"),
    Variant("location.four-ranks", "-DNM=1 -DNR=4 -DNG=1", large="-DNM=1 -DNR=4"),
    Variant("location.home-learns", "-DNM=1 -DHOME_LEARNS", large="-DNM=1 -DNG=3 -DHOME_LEARNS"),
    Variant("location.unordered", "-DNM=1 -DNG=1 -DUNORDERED", large="-DNM=1 -DUNORDERED"),
    Variant("location.unordered-moves", "-DNM=2 -DNI=1 -DUNORDERED -DLINK=7"),
    # forwards <= migrations for a chare that never dies, and not fewer; the general bound is tight too
    Variant("location.forwards", "-DNM=2 -DNG=3 -DNI=1 -DIMMORTAL -DHOPS=4"),
    Variant("location.fewer-forwards", "-DNM=2 -DNG=3 -DNI=1 -DIMMORTAL -DHOPS=3", CIRCLES),
    Variant("location.fewer-sendings", "-DNM=1 -DHOPS=5", CIRCLES),
    # what fails without one of its rules
    Variant("location.no-hold", "-DNO_HOLD -DHOPS=60", CIRCLES),
    Variant("location.no-query", "-DNO_QUERY", LOST),
    Variant("location.no-epoch", "-DNO_EPOCH", LOST),
    Variant("location.no-nonce", "-DNO_NONCE", NEVER_MADE),
    Variant("location.no-pointer", "-DNO_POINTER", LOST),
    Variant("location.early-drop", "-DEARLY_DROP", LOST),
    Variant("location.any-ack", "-DNM=1 -DNG=4 -DNI=1 -DANY_ACK", LOST),
    Variant("location.self-hint", "-DSELF_HINT", TO_ITSELF),
    Variant("location.update-makes", "-DUPDATE_MAKES", LOST),
    Variant("location.tombstone", "-DTOMBSTONE", LOST),
    Variant("location.dead-judges", "-DDEAD_JUDGES", WRONGLY_DEAD),
    Variant("location.dead-splits", "-DDEAD_SPLITS", LOST),
    Variant("location.no-keep", "-DNM=1 -DNG=1 -DNO_KEEP", TOO_OLD),
    Variant("location.maker-no-hint", "-DNM=1 -DNO_KEEP -DMAKER_NO_HINT", TOO_OLD),
    Variant("location.mark", "-DNM=1 -DNO_KEEP -DMARK", TOO_OLD),
    Variant("location.keep-to-home", "-DNM=1 -DKEEP_TO_HOME", TOO_OLD),
    Variant("location.no-dead-mark", "-DNM=1 -DUNORDERED -DNO_DEAD_MARK", LOST),
    Variant("qd.four-counters", "-DVARIANT=3 -DBUDGET=3", large="-DVARIANT=3 -DBUDGET=5"),
    Variant("qd.one-wave", "-DVARIANT=1", TOO_EARLY),
    Variant("qd.processed-only", "-DVARIANT=2", TOO_EARLY),
    Variant("reduction.by-debtors", "-DGATE=2 -DNE=3", large="-DGATE=2 -DNE=4"),
    Variant("reduction.by-members", "-DGATE=1", NEVER_DONE),
    Variant("population.as-built", "-DNE=3", large="-DNE=4"),
    Variant("population.three-rounds", "-DNE=3 -DNRED=3"),
    Variant("population.no-inserted", "-DNO_INSERTED", CLOSED_EARLY),
    Variant("population.no-births", "-DNO_BIRTHS", CLOSED_EARLY),
    Variant("population.born-tells", "-DBORN_TELLS", NEVER_DONE),
    Variant("population.late-maker", "-DLATE_MAKER", NEVER_DONE),
    Variant("population.no-death", "-DNO_DEATH", NEVER_DONE),
    Variant("sync.two-points", "-DNG=1", large="-DNG=2"),
    Variant("sync.more-moves", "-DNE=2 -DNG=3 -DNP=1", large="-DNE=2 -DNG=4 -DNP=1"),
    Variant("sync.inserts", "-DINSERTS -DNP=1 -DNG=1", large="-DINSERTS -DNP=1"),
    Variant("sync.all-ready", "-DRULE=1", NOT_READY),
    Variant("sync.one-wave", "-DRULE=2", NOT_READY),
    Variant("sync.any-two-waves", "-DRULE=3 -DNE=2 -DNG=4 -DNP=1", NOT_READY),
    Variant("sync.no-made", "-DINSERTS -DNP=1 -DNO_MADE", NOT_READY),
    Variant("sync.no-catch-up", "-DNO_CATCH_UP", FORGOTTEN),
    Variant("exit.three-ask", "-DBUDGET=2", large="-DBUDGET=3"),
    Variant("exit.no-drain", "-DNO_DRAIN", LEFT_OPEN),
    Variant("exit.early-answers", "-DEARLY", AFTER_END),
    Variant("exit.last-code", "-DLAST_CODE", AFTER_END),
    Variant("quiet.as-built", "-DNM=3 -DNG=3", large="-DNM=4 -DNG=4"),
    Variant("quiet.free-moves", "-DFREE_MOVES", NOT_QUIET),
    Variant("quiet.held-done", "-DHELD_DONE", NOT_QUIET),
    Variant("quiet.forward-new", "-DFORWARD_NEW", NEVER_EQUAL),
    Variant("quiet.release-new", "-DRELEASE_NEW", NEVER_EQUAL),
    Variant("section.as-built", large="-DNG=4"),
    Variant("section.contributions", "-DNB=1 -DNC=3 -DNG=2", large="-DNB=1 -DNC=3 -DNG=3"),
    Variant("section.goes-on", "-DGOES_ON", UNHEARD),
    Variant("section.ends-at-once", "-DENDS_AT_ONCE", UNHEARD),
    Variant("section.from-here", "-DFROM_HERE", AGAIN),
    Variant("section.back-at-once", "-DBACK_AT_ONCE", UNHEARD),
    Variant("section.not-sent-on", "-DNOT_SENT_ON", UNHEARD),
    Variant("section.ahead-waits", "-DAHEAD_WAITS", UNHEARD),
    Variant("checkpoint.as-built", large="-DNS=4 -DNC=3 -DNF=2"),
    Variant("checkpoint.no-sync", "-DNO_SYNC", NOT_WHOLE),
    Variant("checkpoint.no-dir-sync", "-DNO_DIR_SYNC", NOT_WHOLE),
    Variant("checkpoint.no-manifest-sync", "-DNO_MANIFEST_SYNC", NOT_WHOLE),
    Variant("checkpoint.in-place", "-DIN_PLACE", NOT_WHOLE),
    Variant("checkpoint.same-names", "-DSAME_NAMES", NOT_WHOLE),
    Variant("checkpoint.early-remove", "-DEARLY_REMOVE", NOT_WHOLE),
    Variant("checkpoint.sweep-at-once", "-DSWEEP_AT_ONCE", NOT_WHOLE),
    Variant("checkpoint.bold-remove", "-DBOLD_REMOVE", NOT_WHOLE),
    Variant("checkpoint.early-report", "-DEARLY_REPORT", FORMER),
]


@dataclasses.dataclass
class Outcome:
    wrong: str  # empty: as the table says
    said: str
    states: str = ""
    seconds: float = 0.0


def call(command: list[str], folder: str, limit_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        timeout=limit_s,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def build(variant: Variant, folder: str, cc: str) -> str:
    """Make the checker `pan` in the folder; returns what went wrong."""
    shutil.copy(HERE / f"{variant.model}.pml", folder)
    generate = ["spin", "-a", *variant.flags.split(), f"{variant.model}.pml"]
    made = call(generate, folder, variant.limit_s)
    if made.returncode or "Error" in made.stdout:
        return f"spin: {made.stdout.strip()}"
    # No -O: compiling takes longer than most searches.
    compile_it = [cc, "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"]
    made = call(compile_it, folder, variant.limit_s)
    return f"{cc}: {made.stdout.strip()}" if made.returncode else ""


def judge(variant: Variant, report: str) -> Outcome:
    states = re.search(r"(\d[\d.e+]*) states, stored", report)
    broken = re.search(r"^pan:\d+: (.*)", report, re.MULTILINE)
    said = broken.group(1) if broken else "holds"
    meanings = [f"fails: {text}" for part, text in MEANINGS.items() if broken and part in said]
    outcome = Outcome("", said, states.group(1) if states else "?")
    if not re.search(r"errors: \d", report):
        outcome.wrong = f"the search did not end: {report.strip()[-300:]}"
    elif variant.breaks:
        if not broken:
            outcome.wrong = "should fail, but holds"
        elif variant.breaks not in said:
            outcome.wrong = f"should fail otherwise: {MEANINGS[variant.breaks]}"
        else:
            outcome.said = meanings[0]
    elif broken:
        outcome.wrong = "should hold, but fails"
    elif re.search(r"max search depth too small|out of memory|Search not completed", report):
        outcome.wrong = "the search is incomplete"
    else:
        outcome.wrong = unreached_checks(variant, report)
    return outcome


def unreached_checks(variant: Variant, report: str) -> str:
    source = (HERE / f"{variant.model}.pml").read_text().splitlines()
    final = {number for number, line in enumerate(source, 1) if FINAL[variant.model] in line}
    unreached = {int(n) for n in re.findall(r"\.pml:(\d+), state \d+", report)}
    if not final:
        return f"no line with {FINAL[variant.model]!r} in the model"
    return "the final checks were never reached" if final & unreached else ""


def check(variant: Variant, cc: str, keep: bool) -> Outcome:
    folder = tempfile.mkdtemp(prefix=f"{variant.name}.", dir=os.getcwd())
    start = time.monotonic()
    try:
        wrong = build(variant, folder, cc)
        if wrong:
            outcome = Outcome(wrong, "not built")
        else:
            # -E: a process that waits for ever is no error of its own; the models check their ends themselves
            run = ["./pan", "-E", "-m100000"]
            outcome = judge(variant, call(run, folder, variant.limit_s).stdout)
    except subprocess.TimeoutExpired as late:
        outcome = Outcome(f"{late.cmd[0]} took longer than {variant.limit_s} s", "stopped")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    outcome.seconds = time.monotonic() - start
    return outcome


def missing_tool(cc: str) -> str:
    for tool, purpose in (("spin", "the model checker Spin"), (cc, "a C compiler")):
        if not shutil.which(tool):
            return f"{purpose} ({tool}) is not installed"
    return ""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="variants, or models; default: all")
    parser.add_argument("--list", action="store_true", help="print the table and stop")
    parser.add_argument("--jobs", type=int, default=2, help="variants at a time (default 2)")
    parser.add_argument("--large", action="store_true", help="larger bounds, a few minutes in all")
    quick = "clang" if shutil.which("clang") else "cc"  # compiles twice as fast as gcc
    parser.add_argument("--cc", default=os.environ.get("CC", quick), help="C compiler")
    parser.add_argument(
        "--keep", action="store_true", help="leave the folders, with trails, behind"
    )
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    chosen = [v for v in VARIANTS if not args.names or {v.name, v.model} & set(args.names)]
    if args.large:
        chosen = [dataclasses.replace(v, flags=v.large or v.flags) for v in chosen]
    if args.list:
        for v in chosen:
            print(f"{v.name:28} {'fails' if v.breaks else 'holds':6} {v.flags}")
        return 0
    if not chosen:
        print(f"no such variant: {' '.join(args.names)}; --list shows them", file=sys.stderr)
        return 2
    reason = missing_tool(args.cc)
    if reason:
        print(f"skipped: {reason}")
        return 77
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        outcomes = pool.map(lambda v: check(v, args.cc, args.keep), chosen)
        for variant, outcome in zip(chosen, outcomes):
            mark = "FAIL" if outcome.wrong else "ok  "
            cost = f"{outcome.states:>9} states {outcome.seconds:5.1f} s"
            print(f"{mark} {variant.name:28} {cost}  {outcome.said}")
            if outcome.wrong:
                failed += 1
                print(f"     {outcome.wrong}")
            sys.stdout.flush()
    print(f"{len(chosen) - failed} of {len(chosen)} variants as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

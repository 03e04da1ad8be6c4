# SPDX-License-Identifier: Apache-2.0
"""Section 4, the command line: which words stay, what is understood, what is complained about."""

import sys

from c4py._cli import parse, strip_import_flags
from charm4py import charm
from checks import check, equal, finish

# flag, value or None: all must vanish with their values.
KNOWN = """
    +p:4 +ppn:1 ++ppn:1 ++server-port:1234 ++server-auth:f +pemap:0-3 +commap:1 +pemapfile:f +excludecore:2 +balancer:GreedyLB
    +TreeLBFile:f +LBTopo:torus +LBPeriod:2 +LBDump:2 +LBDumpSteps:3 +LBDumpFile:f +LBSim:1 +LBSimSteps:1 +LBSimProcs:4
    +LBAlpha:0.1 +LBBeta:0.2 +LBCentPE:0 +LBVersion:1 +LBPredictorDelay:1 +LBPredictorWindow:2 +DistLBMaxPhases:1
    +MetaLBModelDir:d +traceroot:d +logsize:100 +traceprocessors:0 +trace-subdirs:2 +bincount:5 +binsize:0.1 +epThreshold:1
    +stacksize:100000 +stdout:f +killFile:f +partitions:1 +replicas:1 +partition_sizes:1 +vp:4 +wp:4 +qd:1 +nice:5
    +libcharm_interface:cython ++nodelist:f
    ++local ++verbose ++mpiexec ++interactive ++auto-provision ++quiet ++server ++debug ++debug-no-pause +oneWthPerCore
    +oneWthPerPU +setcpuaffinity +showcpuaffinity +LBOff +LBCommOff +LBObjOnly +LBCommOn +LBSyncResume +LBTestPESpeed
    +LBSameCpus +LBLoop +LBPrintSummary +LBShowDecisions +MetaLB +traceoff +traceselective +binary-trace +gz-trace +no-gz-trace
    +sumDetail +sumonly +traceWarn +cs +ss +stats +qs +fifo +lifo +isomalloc_sync +noisomalloc +no_isomalloc_sync +record
    +replay +maffinity +mempool_expand +LBDebug ++remote-shell:ssh ++batch:4 +oneWthPerSocket +oneWthPerHost +LBPredictor
    +LBSimDumpOnly +isomalloc +memory_report +idle-timeout:5 +dynCapThreshold:100 +LBDumpOther
"""


def main(args):
    equal(args[1:], ["words", "stay"], "the entry point sees the program's words only")
    check("+LBCommOff" in sys.argv, "sys.argv is left as it was")

    for item in KNOWN.split():
        flag, _, value = item.partition(":")
        words = ["prog", "a", flag, *([value] if value else []), "b"]
        found = parse(words)
        equal(found.args, ["prog", "a", "b"], item)
        check(found.has(flag), item)
        if value:
            equal(found.last(flag), value, item)
    for glued, flag, value in (
        ("+p4", "+p", "4"),
        ("+ppn2", "+ppn", "2"),
        ("+LBDebug1", "+LBDebug", "1"),
    ):
        found = parse(["prog", glued, "x"])
        equal((found.args, found.last(flag)), (["prog", "x"], value), glued)
    equal(parse(["prog", "+LBDebug", "3", "x"]).args, ["prog", "x"], "optional value given")
    equal(parse(["prog", "+LBDebug", "x"]).args, ["prog", "x"], "optional value not given")
    equal(parse(["prog", "+balancer", "A", "+balancer", "B"]).flags["+balancer"], ["A", "B"])

    found = parse(["prog", "++mystery", "x", "-v", "--long", "+5", "+", "a+b"])
    equal(
        found.args,
        ["prog", "++mystery", "x", "-v", "--long", "+5", "+", "a+b"],
        "unknown words stay",
    )
    equal(len(found.warnings), 1, "one warning")
    check("'++mystery'" in found.warnings[0], "the warning names the word")

    equal(parse(["prog", "+p4"], 4).warnings, [], "+p that fits")
    check("started 3" in parse(["prog", "+p4"], 3).warnings[0], "+p that does not fit")
    check("whole number" in parse(["prog", "+p", "x"], 3).warnings[0], "+p with a bad value")
    check("lacks its value" in parse(["prog", "+balancer"]).warnings[0], "value missing at the end")
    seconds = parse(["prog", "+LBPeriod", "1.5"])  # what the reference takes
    check("not of seconds; it is ignored" in seconds.warnings[0], "a period in seconds")
    check(not seconds.has("+LBPeriod"), "is as if it was not there")
    check("start 2 times" in parse(["prog", "+ppn", "2"]).warnings[0], "+ppn above 1")
    equal(parse(["prog", "+restart", "d"]).restart, "d", "+restart")
    equal(parse([]).args, [], "no words at all")
    for words, notes in (
        (["+pemap", "0-3"], ["'+pemap': accepted, but has no effect"]),
        (["++debug", "+LBDump", "1"], ["'++debug', '+LBDump': accepted, but have no effect"]),
        (["+isomalloc_sync"], ["'+isomalloc_sync': accepted, but has no effect"]),
        (
            [
                "+p4",
                "++quiet",
                "+LBOff",
                "+balancer",
                "GreedyLB",
                "+oneWthPerCore",
                "++local",
                "++mystery",
                "word",
            ],
            [],
        ),
    ):
        equal(parse(["prog", *words]).notes, notes, "flags without effect")

    for flag, value, text in (
        ("++server-port", "65536", "a whole number from 0 to 65535, not '65536'"),
        ("++server-port", "-1", "a whole number from 0 to 65535"),
        ("++server-port", "http", "a whole number from 0 to 65535"),
        ("++server-limit", "-1", "a whole number from 0 to 536870911"),
        ("++server-limit", "1e6", "a whole number from 0 to 536870911"),
        ("++server-limit", str(2**29), "a whole number from 0 to 536870911"),
    ):
        errors = parse(["prog", flag, value]).errors
        check(
            len(errors) == 1 and f"'{flag}' needs {text}" in errors[0], f"{flag} {value}: {errors}"
        )
    equal(parse(["prog", "word"]).server, None, "no server unless asked for")
    asked = parse(["prog", "++server-port", "65535", "++server-limit", str(2**29 - 1)]).server
    equal((asked.host, asked.port, asked.limit), ("127.0.0.1", 65535, 2**29 - 1))

    words = ["prog", "+libcharm_interface", "cython", "x"]
    strip_import_flags(words)
    equal(words, ["prog", "x"])
    finish(150)


sys.argv += ["words", "+LBCommOff", "+LBObjOnly", "+p", "77", "stay", "++quiet"]
charm.start(main)

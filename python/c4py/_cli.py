# SPDX-License-Identifier: Apache-2.0
"""The command line: flags in the Charm++ style are taken out of the words that the program sees.

Many programs and job scripts carry such flags. Those that mean something here are honoured, those
that tune a part that does not exist here are taken out without a word, and a flag that nobody knows
stays and is reported once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# How a known flag takes its value: not at all; one word or glued to the flag (`+p4`); an integer
# word if one follows; or whatever is glued to the flag's name (`+isomalloc_sync`), no extra word.
_NONE, _VALUE, _OPTIONAL, _PREFIX = range(4)

_WITH_VALUE = """
    +p +ppn ++ppn ++server-port ++server-auth ++server-host ++server-limit +pemap +commap +pemapfile +excludecore +balancer +TreeLBFile +LBTopo
    +LBPeriod +LBDump +LBDumpSteps +LBDumpFile +LBSim +LBSimSteps +LBSimProcs +LBAlpha +LBBeta +LBCentPE +LBVersion
    +LBPredictorDelay +LBPredictorWindow +DistLBMaxPhases +MetaLBModelDir +traceroot +logsize +traceprocessors
    +trace-subdirs +bincount +binsize +epThreshold +stacksize +stdout +killFile +restart +partitions +replicas
    +partition_sizes +vp +wp +qd +nice +libcharm_interface ++nodelist ++remote-shell ++batch +idle-timeout
    +checkpoint ++numHosts ++processPerHost ++runscript ++debug-commands
"""
_WITHOUT_VALUE = """
    ++trust-checkpoint ++local ++verbose ++mpiexec ++interactive ++auto-provision ++quiet ++server ++debug ++debug-no-pause ++scalable-start
    ++autoProvision ++usehostname +setcpuaffinity +showcpuaffinity +oneWthPerCore +oneWthPerPU +oneWthPerSocket
    +oneWthPerHost +LBOff +LBCommOff +LBCommOn +LBObjOnly +LBSyncResume +LBTestPESpeed +LBSameCpus +LBLoop
    +LBPrintSummary +LBShowDecisions +LBNoBackground +LBPredictor +LBSimDumpOnly +LBStatsOn +LBNodesize +MetaLB
    +traceoff +traceselective +binary-trace +gz-trace +no-gz-trace +sumDetail +sumonly +traceWarn +cs +ss +stats +qs
    +fifo +lifo +ififo +ilifo +bfifo +blifo +noisomalloc +no_isomalloc_sync +record +replay +maffinity +netpoll +netint
    +memory_report +memory_checkfreq +skip_cpu_topology +show_cpu_topology
"""
_PREFIXES = (
    "+isomalloc +mempool +memory_ +MetaLB +LBPredictor +LBSim +LBDump +oneWthPer +useLargePages"
)

#: Flags of the native MPI layer; each takes a number.
_MPI_TUNING = "+dynCapThreshold +dynCapSend +dynCapRecv +static-sched +MPIMaxSmallMsg"

#: Longest data that a request can announce: the first byte of its length is below 0x20.
_MAX_DATA = 0x1FFFFFFF

_GLUED = re.compile(r"^(\+{1,2}[A-Za-z_-]+?)(-?\d+)$")
_FRACTION = re.compile(r"^(\d+\.\d*|\.\d+)$")
_INTEGER = re.compile(r"^[+-]?\d+$")

#: Flags whose value is an integer: it may be glued to the name, as in `+p4`.
_INTEGER_FLAGS = frozenset(
    "+p +ppn ++ppn ++server-port ++server-limit +LBVersion +LBDumpSteps +LBSimSteps +LBSimProcs +LBCentPE +logsize +trace-subdirs"
    " +bincount +stacksize +partitions +replicas +vp +wp +nice +excludecore +LBDebug ++batch +idle-timeout +LBDump"
    " +LBSim +LBPredictorWindow +LBPredictorDelay".split()
)


def _make_table() -> dict[str, int]:
    table = dict.fromkeys(_WITH_VALUE.split(), _VALUE)
    table.update(dict.fromkeys(_WITHOUT_VALUE.split(), _NONE))
    table.update(dict.fromkeys(_MPI_TUNING.split(), _VALUE))
    table["+LBDebug"] = _OPTIONAL
    return table


_TABLE = _make_table()

#: Flags that do what they say, or that are judged below; and those that were meant for whoever started the job. The
#: others are accepted, so that programs and scripts written for the reference run, but nothing comes of them.
_WITH_EFFECT = frozenset(
    "++quiet +p +ppn ++ppn +restart ++trust-checkpoint +libcharm_interface +balancer +LBDebug +LBOff +LBPeriod +MetaLB +LBPredictor +LBPredictorWindow +LBTestPESpeed +LBCommOn +LBCommOff +traceoff ++local ++verbose ++mpiexec ++batch"
    " ++scalable-start ++server ++server-port ++server-auth ++server-host ++server-limit".split()
)


@dataclass
class ServerFlags:
    """The server for clients outside that the command line asks for.

    host: address to listen on. port: 0 for one that is free. limit: longest data of a request, in bytes.
    """

    host: str = "127.0.0.1"
    port: int = 0
    limit: int = 1 << 20


@dataclass
class Parsed:
    """What was found on a command line.

    args: the words that stay for the program; args[0] is the script.
    flags: known flags without their values, mapped to the list of values given (None: a flag
    without one).
    warnings: sentences for rank 0 to print.
    notes: the same, but dispensable: not to be printed when the user wants quiet.
    errors: mistakes that make the run impossible, in the order found.
    server: the server for clients; None if none is wanted.
    restart: the directory of the checkpoint to go on from; None: a new run.
    """

    args: list[str] = field(default_factory=list)
    flags: dict[str, list[str | None]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    server: ServerFlags | None = None
    restart: str | None = None

    def has(self, flag: str) -> bool:
        """True if the flag was given."""
        return flag in self.flags

    def last(self, flag: str) -> str | None:
        """The last value given for a flag, None if there is none."""
        values = self.flags.get(flag)
        return values[-1] if values else None


def _lookup(word: str) -> tuple[str, int, str | None] | None:
    """Find a word among the known flags: (flag, how it takes a value, glued value or None)."""
    kind = _TABLE.get(word)
    if kind is not None:
        return word, kind, None
    glued = _GLUED.match(word)
    if glued and glued.group(1) in _INTEGER_FLAGS:
        return glued.group(1), _TABLE.get(glued.group(1), _VALUE), glued.group(2)
    name, equals, value = word.partition("=")
    if equals and name in _TABLE:
        return name, _TABLE[name], value
    if any(word.startswith(prefix) for prefix in _PREFIXES.split()):
        return word, _PREFIX, None
    return None


def parse(argv: list[str], num_ranks: int = -1) -> Parsed:
    """Split a command line into runtime flags and the program's own words.

    argv: the words, argv[0] the script; it is not changed.
    num_ranks: how many ranks the job has, to check `+pN` against; -1 skips that check.
    """
    out = Parsed(args=list(argv[:1]))
    i = 1
    while i < len(argv):
        word = argv[i]
        i += 1
        if not word.startswith("+") or word in ("+", "++"):
            out.args.append(word)
            continue
        found = _lookup(word)
        if found is None:
            out.args.append(word)
            # A number such as +5 is data far more often than a mistyped flag.
            if not _INTEGER.match(word):
                out.warnings.append(f"unknown runtime flag '{word}' is left to the program")
            continue
        flag, kind, value = found
        if value is None and kind == _VALUE:
            if i < len(argv):
                value = argv[i]
                i += 1
            else:
                out.warnings.append(f"runtime flag '{flag}' lacks its value and is ignored")
        elif value is None and kind == _OPTIONAL and i < len(argv) and _INTEGER.match(argv[i]):
            value = argv[i]
            i += 1
        out.flags.setdefault(flag, []).append(value)
    _check(out, num_ranks)
    return out


def _has_effect(flag: str) -> bool:
    return flag in _WITH_EFFECT or flag.startswith("+oneWthPer")


def _check(out: Parsed, num_ranks: int) -> None:
    """Judge the values of the flags that mean something here."""
    for flag in ("+p", "+ppn", "++ppn"):
        value = out.last(flag)
        if not out.has(flag):
            continue
        if value is None or not _INTEGER.match(value):
            out.warnings.append(
                f"runtime flag '{flag}' needs a whole number, not {value!r}; it is ignored"
            )
        elif flag == "+p" and num_ranks > 0 and int(value) != num_ranks:
            out.warnings.append(
                f"'+p{value}' asks for {value} processes, but the MPI launcher started {num_ranks}: {num_ranks} are used"
            )
        elif flag != "+p" and int(value) > 1:
            out.warnings.append(
                f"'{flag} {value}': one thread runs per process here; start {value} times the processes instead"
            )
    if any(flag.startswith("+oneWthPer") for flag in out.flags):
        out.warnings.append(
            "'+oneWthPer…': one thread runs per process here; the MPI launcher decides how many processes there are"
        )
    period = out.last("+LBPeriod")
    if period is not None and _FRACTION.match(period):
        del out.flags["+LBPeriod"]
        out.warnings.append(
            f"'+LBPeriod {period}': a period is a number of synchronization points, not of seconds; it is ignored"
        )
    _check_server(out)
    idle = [f"'{flag}'" for flag in out.flags if not _has_effect(flag)]
    if idle:
        out.notes.append(
            f"{', '.join(idle)}: accepted, but {'has' if len(idle) == 1 else 'have'} no effect"
        )
    out.restart = out.last("+restart")


def _check_server(out: Parsed) -> None:
    """Which server for clients the flags ask for: each of them alone does."""
    if not any(flag.startswith("++server") for flag in out.flags):
        return
    out.server = ServerFlags(host=out.last("++server-host") or ServerFlags.host)
    for flag, name, least, most in (
        ("++server-port", "port", 0, 65535),
        ("++server-limit", "limit", 0, _MAX_DATA),
    ):
        value = out.last(flag)
        if value is None:
            continue
        if _INTEGER.match(value) and least <= int(value) <= most:
            setattr(out.server, name, int(value))
        else:
            out.errors.append(
                f"'{flag}' needs a whole number from {least} to {most}, not '{value}'"
            )
    if out.has("++server-auth"):
        out.errors.append(
            "'++server-auth': passwords of clients are not available in this version of c4py; without that flag "
            "the server serves everybody who reaches it, which by default are users of this host"
        )


def strip_import_flags(argv: list[str]) -> None:
    """Take `+libcharm_interface NAME` out of argv, in place: it picks a binding of the reference implementation."""
    while "+libcharm_interface" in argv:
        at = argv.index("+libcharm_interface")
        del argv[at : at + 2]

# SPDX-License-Identifier: Apache-2.0
"""The command line of LeanMD in Python, and what follows from it; options.h and leanmd.h of the C version."""

import argparse

DEFAULT_AWAY = {"a": (1, 1, 1), "b": (2, 2, 1), "exact": (2, 2, 1)}


def numbers(count, least=0):
    def read(text):
        values = tuple(int(word) for word in text.split(","))
        if len(values) not in count or min(values) < least:
            raise ValueError
        return values

    read.__name__ = f"{count[-1]} numbers with commas between"
    return read


def period(least):
    def read(text):
        value = int(text)
        if value < least:
            raise ValueError
        return value

    read.__name__ = f"number of at least {least}"
    return read


def make_parser():
    parser = argparse.ArgumentParser(
        prog="leanmd.py",
        description="LeanMD: molecular dynamics of particles in a periodic box of X x Y x Z cells, on chares.",
        epilog="Load balancing, checkpoints and restart are the launcher's: --balancer, --checkpoint, --every, --walltime, --restart.",
    )
    parser.add_argument(
        "numbers", nargs="*", type=period(1), metavar="X Y Z STEPS", help="3 3 3 1001"
    )
    what = parser.add_argument_group("what is computed")
    what.add_argument("-v", "--variant", choices=("a", "b", "exact"), default="b",
                      help="a: as in the simplified program; b (default): as in the mini-app; exact: as b, with right "
                           "periodic images and velocity Verlet")  # fmt: skip
    what.add_argument(
        "--away",
        type=numbers((3,), 1),
        metavar="X,Y,Z",
        help="neighbours on each side (a: 1,1,1; b: 2,2,1)",
    )
    what.add_argument(
        "--particles",
        type=numbers((1, 2)),
        metavar="FIRST[,LAST]",
        help="of the first cell and of the last",
    )
    what.add_argument(
        "--exchange",
        type=period(1),
        default=20,
        metavar="STEPS",
        help="particles change cells so often (20)",
    )
    what.add_argument(
        "--ordered",
        action="store_true",
        help="add forces in a fixed order: the same bits whatever the placement",
    )
    what.add_argument(
        "--kernel",
        choices=("c", "numba"),
        default="c",
        help="that of the C version (c), or one compiled from Python",
    )
    place = parser.add_argument_group("placement and load balancing")
    place.add_argument(
        "--placement", choices=("round-robin", "block", "bad"), default="round-robin"
    )
    place.add_argument(
        "--lb-first",
        type=period(1),
        default=20,
        metavar="STEP",
        help="after which step for the first time (20)",
    )
    place.add_argument("--lb-period", type=period(0), default=0, metavar="STEPS",
                       help="and how often from then on (0: no balancing; needs the launcher's --balancer)")  # fmt: skip
    place.add_argument("--barrier", action="store_true", help="wait for all cells after each step")
    keep = parser.add_argument_group("checkpoints")
    keep.add_argument("--checkpoint", metavar="DIR", help="directory for --checkpoint-period")
    keep.add_argument(
        "--checkpoint-period",
        type=period(0),
        default=0,
        metavar="STEPS",
        help="how often (0: as the launcher is told)",
    )
    out = parser.add_argument_group("output")
    out.add_argument(
        "--energies",
        type=period(0),
        default=0,
        metavar="STEPS",
        help="so often, besides the first and last step",
    )
    out.add_argument(
        "--progress", type=period(0), metavar="STEPS", help="a line so often (a tenth of the steps)"
    )
    out.add_argument(
        "-r",
        "--record",
        metavar="FILE",
        help="append a line of JSON about the run; -: standard output",
    )
    return parser


def parse(args):
    """Options from the words after the program's name. Ends the job as argparse does."""
    parser = make_parser()
    opt = parser.parse_args(args[1:])
    if len(opt.numbers) > 4:
        parser.error("up to four numbers stand here: X Y Z STEPS")
    given = (*opt.numbers, *(3, 3, 3, 1001)[len(opt.numbers) :])
    opt.grid, opt.steps = given[:3], given[3]
    opt.away = opt.away or DEFAULT_AWAY[opt.variant]
    if opt.particles is not None and len(opt.particles) == 1:
        opt.particles = opt.particles * 2
    if opt.progress is None:
        opt.progress = max(1, opt.steps // 10)
    if opt.checkpoint_period and not opt.checkpoint:
        parser.error("--checkpoint-period needs --checkpoint DIR")
    return opt


def wants_energy(opt, step):
    return step == 1 or step == opt.steps or (opt.energies > 0 and step % opt.energies == 0)


def lb_due(opt, step):
    return (
        opt.lb_period > 0
        and opt.lb_first <= step < opt.steps
        and (step - opt.lb_first) % opt.lb_period == 0
    )


def is_safe_point(opt, step):
    """Where a checkpoint may be written: where one is due by steps, and with each exchange."""
    due = opt.checkpoint_period > 0 and step % opt.checkpoint_period == 0
    return step < opt.steps and (due or step % opt.exchange == 0)

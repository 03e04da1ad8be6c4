# SPDX-License-Identifier: Apache-2.0
"""Symbols of the library: no variables, names with the right prefix, and exactly the public functions exported.

symbols.py --objects list-file --library libc4pyrt.so
"""

import argparse
import re
import subprocess

import common

# Constants; tables of function pointers land in .data.rel.ro because the code is position independent.
CONSTANT = re.compile(r"\.(rodata|data\.rel\.ro|text|eh_frame|note|init_array|fini_array)")


# What a guest in somebody else's process does not do: end it, take its signals, print.
FORBIDDEN = re.compile(
    r"(exit|abort|atexit|on_exit|quick_exit|__cxa_atexit|signal|sigaction|raise|kill"
    r"|v?f?printf|puts|fputs|putchar|fwrite|perror|stderr|__(v?f?printf)_chk|__assert_fail)$"
)


# What must happen, where, and nowhere else: MPI_Abort() of MPICH calls exit(), and its MPI_Init() takes a signal.
ALLOWED = {"on_exit": "base/port_real.c", "sigaction": "comm/launch.c"}


def objdump(path):
    """(name, is_global, section) of the functions and objects defined in an object file."""
    text = subprocess.run(
        ["objdump", "-t", path], check=True, capture_output=True, text=True
    ).stdout
    for line in text.splitlines():
        match = re.match(r"[0-9a-f]+ (.)(.{6}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
        if match and match.group(2)[5] in "FO" and match.group(3) != "*UND*":
            yield match.group(4), match.group(1) in "gu", match.group(3)


def check_object(path):
    short = re.sub(r".*c4pyrt_objects\.dir/", "runtime/", path)
    for name, is_global, section in objdump(path):
        if name.startswith("__"):
            continue  # of the compiler
        if not CONSTANT.match(section):
            yield f"{short}: {name} in {section} can be written; state belongs into c4p_rt_t"
        if is_global and not re.match(r"c4pi?_", name):
            yield f"{short}: {name} has neither prefix, c4p_ nor c4pi_; is it meant to be static?"
    for name in symbols(path, "--undefined-only"):
        if FORBIDDEN.match(name) and not short.endswith(f"/{ALLOWED.get(name)}.o"):
            yield f"{short} calls {name}, which a guest in a process does not"


def symbols(path, *which):
    """What an object file or a library (-D) defines or (--undefined-only) needs."""
    text = subprocess.run(["nm", *which, path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].partition("@")[0] for line in text.splitlines()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", required=True, help="file with one object file a line")
    parser.add_argument("--library", required=True)
    args = parser.parse_args()

    problems, checked = [], 0
    with open(args.objects, encoding="utf-8") as f:
        for path in f.read().split():
            checked += 1
            problems += check_object(path)
    shown, wanted = symbols(args.library, "-D", "--defined-only"), common.public_functions()
    for name in sorted(shown - set(wanted)):
        problems.append(f"{name} is exported, but no public header declares it")
    for name in sorted(set(wanted) - shown):
        problems.append(f"{wanted[name][0]} declares {name}, but the library does not export it")
    for name in sorted(symbols(args.library, "-D", "--undefined-only") - set(ALLOWED)):
        if FORBIDDEN.match(name):
            problems.append(f"the library calls {name}, which a guest in a process does not")
    for name in sorted(shown):
        checked += 1
        if not re.match(r"c4p_", name):
            problems.append(f"{name} is exported without the prefix c4p_")
    common.finish(problems, checked)


main()

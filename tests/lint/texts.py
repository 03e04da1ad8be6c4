# SPDX-License-Identifier: Apache-2.0
"""What every text file must have or must not have: a licence line, an opening comment, nothing that belongs to one machine."""

import os
import re

import common

# Programs kept exactly as their users write them.
AS_WRITTEN = {"examples/fib/fib.py"}

FORBIDDEN = [
    (r"(?<![\w.~}])/(?:work|root|Users|scratch)/\w", "a path of one machine"),
    (r"(?<![\w.])/home/(?!user\b|you\b)\w", "a path of one machine"),
    (r"/tmp/c\d", "a path of one machine"),
    (
        r"https?://[^/\s]*(?:mirror|proxy|registry|artifactory|nexus)",
        "a package server of one site",
    ),
    (r"\.\./shared\b", "a folder outside the project"),
    (
        r"\b(?:design|protocols|reliability|ecosystem|user-needs|leanmd)\.md\b",
        "a file outside the project",
    ),
    (r"(?i)\bthe spec(?:ification)? file\b", "a file outside the project"),
]


def check_words(path, text, docs):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, what in FORBIDDEN:
            match = re.search(pattern, line)
            if match and match.group(0) not in docs:
                yield f"{path}:{number}: {match.group(0)!r} is {what}"


def check_space(path, text):
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at the end"
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield f"{path}:{number}: space at the end of the line"


def check_head(path, text):
    lines = text.splitlines()
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
        yield f"{path}: the first line names no licence (SPDX-License-Identifier: Apache-2.0)"
    if path.endswith((".c", ".h")):
        # "/* name.h: what the module is and promises"; a source may leave that to its header.
        comment = " ".join(lines[1:4])
        name = re.escape(path.rpartition("/")[2])
        explained = path.endswith(".c") and os.path.exists(
            os.path.join(common.ROOT, path[:-1] + "h")
        )
        if not explained and (not comment.startswith("/* ") or len(comment) < 40):
            yield f"{path}: the second line opens no comment that says what the file is"
        elif path.endswith(".h") and not re.match(rf"/\* {name}: ", comment):
            yield f"{path}: its comment does not begin with the file's name and a colon"


def main():
    problems, checked = [], 0
    docs = {path.rpartition("/")[2] for path in common.tree_files(".md")}  # may be named
    for path in common.tree_files():
        if path == "LICENSE" or path.endswith((".png", ".ppm", ".npy", ".bin", ".gz", ".patch")):
            continue
        text = common.read(path)
        checked += 1
        if path not in AS_WRITTEN:
            problems += check_space(path, text)
        if path != "tests/lint/texts.py":
            problems += check_words(path, text, docs)
        if path.endswith((".c", ".h", ".cmake", "CMakeLists.txt")) or re.match(
            r"(python|embed|tests)/.*\.py$", path
        ):
            problems += check_head(path, text)
    common.finish(problems, checked)


main()

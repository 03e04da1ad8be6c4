# SPDX-License-Identifier: Apache-2.0
"""The reference of the C interface is made without a warning and has every public function; those that return a status say which.

reference.py build/docs/Doxyfile
"""

import re
import shutil
import subprocess
import sys

import common

EXIT_SKIP = 77


def check_statuses():
    for path in common.tree_files(".h", ".h.in"):
        declared = r"/\*\*((?:(?!\*/).)*)\*/\s*C4P_API c4p_status_t\s+(c4p_\w+)\("
        for comment, name in re.findall(declared, common.read(path), re.DOTALL):
            if not re.search(r"Returns|statuses", comment):
                yield f"{path}: {name}: the comment does not say what it returns"


def make_reference(doxyfile):
    """What is said while it is made, and which functions it lacks."""
    done = subprocess.run(["doxygen", doxyfile], capture_output=True, text=True)
    yield from done.stderr.splitlines()
    if done.returncode and not done.stderr:
        yield f"doxygen ended with {done.returncode}"
    tags = re.search(r'GENERATE_TAGFILE *= *"(.*)"', common.read(doxyfile)).group(1)
    function = r'<member kind="function">.*?<name>(\w+)</name>'
    documented = set(re.findall(function, common.read(tags), re.DOTALL))
    for name, (header, _) in sorted(common.public_functions().items()):
        if name not in documented:
            yield f"the reference has no {name}, of {header}"


def main():
    problems = [*check_statuses()]
    if shutil.which("doxygen"):
        problems += make_reference(sys.argv[1])
    elif not problems:
        print("skipped: no doxygen (Debian: doxygen)")
        sys.exit(EXIT_SKIP)
    common.finish(problems, len(common.public_functions()))


main()

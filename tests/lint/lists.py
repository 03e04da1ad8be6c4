# SPDX-License-Identifier: Apache-2.0
"""Every source is named in a CMakeLists.txt: a file that is not would be built, or tested, by nobody."""

import re

import common


def listed_sources():
    """Sources named by the lists of runtime/ and embed/, and by the helpers that make tests of a name."""
    found = set()
    for folder in ("runtime", "embed"):
        text = re.sub(r"#.*", "", common.read(f"{folder}/CMakeLists.txt"))
        found |= {f"{folder}/{name}" for name in re.findall(r"[\w./-]+\.c\b", text)}
    tests = re.sub(r"#.*", "", common.read("tests/CMakeLists.txt"))
    for kind, name in re.findall(r"c4p_(unit|sim|mpi|python)_test\(\s*([\w./-]+)", tests):
        found.add(f"tests/{kind}/{name}.py" if kind == "python" else f"tests/{kind}/{name}_test.c")
    return found


def main():
    listed = listed_sources()
    pattern = re.compile(r"(runtime|embed)/.*\.c$|tests/(unit|sim|mpi)/.*_test\.c$")
    sources = [path for path in common.tree_files(".c") if pattern.match(path)]
    problems = [f"{path} is in no CMakeLists.txt" for path in sources if path not in listed]
    common.finish(problems, len(sources))


main()

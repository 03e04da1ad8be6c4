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
    for path in common.tree_files("CMakeLists.txt"):
        folder = path.rpartition("/")[0]
        if folder.startswith("tests"):
            text = re.sub(r"#.*", "", common.read(path))
            found |= {f"{folder}/{name}" for name in re.findall(r"[\w./-]+\.c\b", text)}
            for kind, name in re.findall(r"c4p_(unit|sim|mpi)_test\(\s*([\w./-]+)", text):
                found.add(f"tests/{kind}/{name}_test.c")
    return found


def main():
    listed = listed_sources()
    pattern = re.compile(r"(runtime|embed|tests)/.*\.c$")
    sources = [path for path in common.tree_files(".c") if pattern.match(path)]
    problems = [f"{path} is in no CMakeLists.txt" for path in sources if path not in listed]
    common.finish(problems, len(sources))


main()

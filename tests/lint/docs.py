# SPDX-License-Identifier: Apache-2.0
"""What pages say about code: snippets are parts of the examples that they name, tables have every setting and every exit status,
links lead somewhere, settings of Open MPI are the same everywhere."""

import os
import re

import common


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


def check_snippets(path, text):
    """Each block of C is announced by the file that it is taken from, and occurs there but for white space."""
    for match in re.finditer(r"(?:<!-- from (\S+) -->\n)?```c\n(.*?)```", text, re.DOTALL):
        source, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if not source:
            yield f"{path}:{line}: a block of C that names no file"
        elif squeezed(code) not in squeezed(common.read(source)):
            yield f"{path}:{line}: this is not in {source}"


def check_tables(path, text):
    settings = re.findall(r'^\s*\{"(C4PY_\w+)"', common.read("runtime/base/env.c"), re.MULTILINE)
    statuses = re.findall(
        r"^\s*X\(\w+, \d+, (\d+),", common.read("runtime/include/c4p/status.h"), re.M
    )
    if len(settings) < 10 or len(statuses) < 10:
        yield f"{path}: the tables in the sources look different from what this check knows"
    for name in settings:
        if f"| `{name}` |" not in text:
            yield f"{path}: the setting {name} is missing"
    for number in sorted(set(statuses)):
        if number != "0" and f"| {number} |" not in text:
            yield f"{path}: the exit status {number} is missing"


def check_links(path, text):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        if not os.path.exists(os.path.join(common.ROOT, os.path.dirname(path), target)):
            yield f"{path}: nothing is at {target}"


def check_keepalive(path, text, setting=r"\b(OMPI_MCA_oob_tcp_keepalive_\w+)=(\d+)"):
    """When a lost host is given up is said in pages and templates as the wrappers set it."""
    ours = dict(re.findall(setting.replace("=", '": "'), common.read("python/charmrun/launch.py")))
    for name, value in re.findall(setting, text):
        if ours.get(name) != value:
            yield f"{path}: {name}={value}, where charmrun/launch.py has {ours.get(name)}"


def main():
    problems, checked = [], 0
    for path in common.tree_files(".md", ".slurm", ".lsf", ".pbs"):
        problems += check_keepalive(path, common.read(path))
    for path in common.tree_files(".md"):
        text = common.read(path)
        checked += 1
        problems += check_links(path, text)
        if path == "docs/c-api.md":
            problems += check_snippets(path, text)
        if path == "docs/running.md":
            problems += check_tables(path, text)
    common.finish(problems, checked)


main()

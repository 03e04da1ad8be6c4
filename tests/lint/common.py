# SPDX-License-Identifier: Apache-2.0
"""What the source checks share: the files of the tree, C text without comments, and the way to report. Standard library only."""

import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tree_files(*suffixes):
    """Paths, relative to the root, of all files that are or would be committed, with one of the suffixes (all if none is given)."""
    git = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
    )
    if git.returncode == 0:
        paths = [path for path in git.stdout.split("\0") if path]
    else:  # an unpacked archive
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith((".", "build", "__pycache__"))]
            paths += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    paths = [p for p in paths if os.path.isfile(os.path.join(ROOT, p))]
    return sorted(p for p in paths if not suffixes or p.endswith(suffixes))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def c_code(path, keep_strings=False):
    """The text of a C file with comments (and the insides of strings) blanked; line numbers stay."""
    token = re.compile(
        r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
        re.DOTALL | re.VERBOSE,
    )

    def blank(match):
        text = match.group(0)
        if text[0] != "/" and keep_strings:
            return text
        return re.sub(r"[^\n]", " ", text) if text[0] == "/" else text[0] + text[0]

    return token.sub(blank, read(path))


def includes(path):
    """(line number, "<" or '"', name) of every #include."""
    found = []
    for number, line in enumerate(c_code(path, keep_strings=True).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            found.append((number, match.group(1), match.group(2)))
    return found


def public_functions():
    """name -> (header, return type) of the functions that the public headers mark for export."""
    functions = {}
    for path in tree_files(".h", ".h.in"):
        if path.startswith("runtime/include/"):
            code = re.sub(r"(?m)^\s*#.*$", "", c_code(path))
            for match in re.finditer(r"\bC4P_API\b([^;{]*?)\b(c4p_\w+)\s*\(", code):
                functions[match.group(2)] = path, match.group(1).strip()
    return functions


Setting = collections.namedtuple("Setting", "name values default meaning")


def settings():
    """What the environment can set, in the order of the table."""
    text = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    rows = re.findall(
        r"\{\s*" + r",\s*".join([text] * 4) + r",", c_code("runtime/base/env.c", keep_strings=True)
    )
    return [Setting(*("".join(re.findall(r'"([^"]*)"', cell)) for cell in row)) for row in rows]


def finish(problems, checked):
    """Print the problems and exit; checking nothing is a problem too."""
    if not checked:
        problems = [*problems, "nothing was checked"]
    for problem in problems:
        print(problem)
    print(f"{checked} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)

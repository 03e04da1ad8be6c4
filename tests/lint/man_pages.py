# SPDX-License-Identifier: Apache-2.0
"""Manual pages: options, variables and exit statuses are those of the sources, names are those of the headers, and all is
well-formed.

man_pages.py --pages build/man [--launcher build/bin/c4py_launcher]
man_pages.py --write     writes the lists of settings and statuses into the pages anew
"""

import argparse
import os
import re
import shutil
import subprocess

import common

LAUNCHER, OVERVIEW = "docs/man/c4py_launcher.1.in", "docs/man/c4pyrt.7.in"
PAGES = [LAUNCHER, OVERVIEW, "docs/man/c4pyrt.3.in"]
BLOCK = r'(?s)(\.\\" begin {0}: [^\n]*\n)(.*?)(?=\.\\" end {0}\n)'


def roff(text):
    """Plain text, or Markdown without its marks, in the language of manual pages."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    return text.replace("\\", r"\e").replace("-", r"\-")


def sentence(text):
    return roff(text[0].upper() + text[1:] + ".")


def item(tag, text):
    return f".TP\n{tag}\n{text}\n"


def with_default(setting):
    shown = setting.default and setting.values != "0|1"
    return setting.meaning + (f" (default {setting.default})" if shown else "")


def option(setting):
    """As --help shows it: what is to be replaced in italics."""
    name = roff("--" + setting.name[len("C4PY_") :].lower().replace("_", "-"))
    if setting.values == "0|1":
        return item(f".B {name}", sentence(setting.meaning))
    macro = ".BR" if "|" in setting.values else ".BI"
    return item(f"{macro} {name}= {roff(setting.values)}", sentence(with_default(setting)))


def variable(setting):
    macro = ".BR" if "|" in setting.values else ".BI"
    return item(f"{macro} {setting.name}= {roff(setting.values)}", sentence(with_default(setting)))


def statuses():
    """The rows of the table in docs/running.md."""
    table = re.search(r"\| status \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", common.read("docs/running.md"))
    for row in table.group(1).splitlines():
        number, meaning, _ = [cell.strip() for cell in row.strip("|").split("|")]
        yield item(f".B {roff(number.replace('–', '-'))}", sentence(meaning))


def blocks():
    """(page, name of the block, what it should be)."""
    settings = common.settings()
    options = [s for s in settings if s.values != "program"]
    yield LAUNCHER, "options", "".join(map(option, options))
    yield OVERVIEW, "environment", "".join(map(variable, settings))
    yield OVERVIEW, "statuses", "".join(statuses())


def check_blocks():
    for page, name, wanted in blocks():
        found = re.search(BLOCK.format(name), common.read(page))
        if not found or found.group(2) != wanted:
            yield f"{page}: the {name} are others in the sources; run tests/lint/man_pages.py --write"


def write_blocks():
    for page, name, wanted in blocks():
        text = re.sub(BLOCK.format(name), lambda m, w=wanted: m.group(1) + w, common.read(page))
        with open(os.path.join(common.ROOT, page), "w", encoding="utf-8") as f:
            f.write(text)


def plain(text):
    """What of a line of a page is read."""
    return re.sub(r"\\f.", "", text).replace(r"\-", "-").replace(r"\e", "\\")


def check_options(launcher):
    """The page has the options that the launcher says it has, each with the same words."""
    done = subprocess.run([launcher, "--help"], capture_output=True, text=True, timeout=60)
    said = re.findall(r"^  (--[\w-]+)(=\S+)? +(\S.*)$", done.stdout, re.MULTILINE)
    said = {name: values + " " + text.lower() + "." for name, values, text in said}
    page = common.read(LAUNCHER)
    items = re.findall(r"\.TP\n\.B[RI]? (.*)\n(.*)\n", page.partition('.\\" begin')[2])
    shown = {}
    for tag, text in items:
        name, equal, values = plain(tag).partition("= ")
        if name.startswith("--"):
            shown[name] = equal.strip() + values + " " + plain(text).lower()
    if len(said) < 20:
        yield f"{launcher} --help looks different from what this check knows:\n{done.stdout}"
    for name in sorted(said.keys() | shown.keys()):
        if said.get(name) != shown.get(name):
            yield f"{LAUNCHER}: {name}: {shown.get(name)!r}, and in --help {said.get(name)!r}"
    for name in re.findall(r"^ +(?:-\w, |  +)(--\w+)  ", done.stdout, re.MULTILINE):
        if name not in said and name not in plain(page):
            yield f"{LAUNCHER}: {name} is missing"


def check_names(path):
    """What looks like a name of the C interface is one."""
    headers = "".join(common.read(h) for h in common.tree_files(".h", ".h.in") if "/include/" in h)
    for name in sorted(set(re.findall(r"\bc4p_\w+", common.read(path)))):
        if not re.search(rf"\b{name}\b", headers):
            yield f"{path}: no header has {name}"


def renderers(page):
    if shutil.which("groff"):
        yield ["groff", "-man", "-Tutf8", "-ww", "-z", page]
    if shutil.which("mandoc"):
        yield ["mandoc", "-Tlint", "-Wwarning", page]


def check_form(page):
    for command in renderers(page):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or done.stdout or done.stderr:
            yield f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", help="where the build put them")
    parser.add_argument("--launcher")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.write:
        write_blocks()
    problems, checked = [*check_blocks()], len(PAGES)
    for path in PAGES:
        problems += check_names(path)
    if args.launcher:
        problems += check_options(args.launcher)
    for folder, _, names in os.walk(args.pages or ""):
        for name in sorted(names):
            checked += 1
            problems += check_form(os.path.join(folder, name))
    common.finish(problems, checked)


main()

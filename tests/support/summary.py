#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print what a test run amounted to, from the JUnit file that ctest wrote: counts, failures, and why tests were skipped."""

import re
import sys
import xml.etree.ElementTree as ET


def reason(case):
    """Why a test was skipped: the line in which it says so."""
    out = case.findtext("system-out") or ""
    for line in out.splitlines():
        found = re.match(r"\s*(?:rank \d+: )?skip(?:ped)?\b:?\s*(.+)", line, re.IGNORECASE)
        if found:
            return found.group(1)
    skipped = case.find("skipped")
    text = skipped.get("message", "") if skipped is not None else ""
    return text if "SKIP_RETURN_CODE" not in text else "it did not say why"


def main(path):
    cases = ET.parse(path).getroot().findall("testcase")
    skipped = [c for c in cases if c.get("status") in ("notrun", "disabled")]
    failed = [c for c in cases if c.get("status") == "fail"]
    passed = len(cases) - len(skipped) - len(failed)
    labels = {}
    for case in cases:
        label = case.get("name").partition(".")[0]
        labels[label] = labels.get(label, 0) + 1

    print()
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped", end="")
    print(" (" + ", ".join(f"{n} {label}" for label, n in sorted(labels.items())) + ")")
    for case in failed:
        print(f"  FAILED   {case.get('name')}  ({float(case.get('time', 0)):.1f} s)")
    for case in skipped:
        print(f"  skipped  {case.get('name')}: {reason(case)}")
    # ctest counts a program that was never built as not run; that is no skip.
    lost = [c for c in skipped if "Unable to find" in reason(c) or c.get("status") == "disabled"]
    return 1 if failed or lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

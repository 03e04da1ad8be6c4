#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Put the table of the last record (or FILE:N, the N-th), and the counts of instructions if they are given, into docs/performance.md.

bench/update_page.py build/bench/records.jsonl [instructions.txt]
"""

import re
import sys
from pathlib import Path

from records import RecordError, pick
from tables import markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def put(text, name, content):
    """Replace what stands between the two markers of this name."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        record = pick(sys.argv[1])
    except RecordError as error:
        sys.exit(str(error))
    text = put(PAGE.read_text(), "table", "\n".join(markdown(record)))
    if len(sys.argv) == 3:
        lines = Path(sys.argv[2]).read_text().splitlines()
        rows = [
            f"| {' | '.join(re.split(r'  +', line.strip()))} |" for line in lines if line.strip()
        ]
        text = put(text, "instructions", "\n".join(["| what | instructions |", "|---|--:|", *rows]))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()

"""Print anew what `unstir verify` says on the pages of the physics: `python docs/certificates.py [vp …]`.

Of each page the text block after `$ unstir verify …`. A minute or two for all of them; seeds are fixed, so
that every machine prints the same figures up to rounding.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

PAGES = Path(__file__).parent / "physics"
BLOCK = re.compile(r"(```console\n\$ unstir verify ([^\n]+)\n```\n\n```text\n).*?(^```$)", re.M | re.S)


def said(names: str) -> str:
    """What the command prints, without the seconds of its last line."""
    command = [sys.executable, "-m", "unstir", "verify", *names.split()]
    wide = os.environ | {"COLUMNS": "140"}
    text = subprocess.run(command, check=True, capture_output=True, text=True, env=wide).stdout  # noqa: S603
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([*lines[:-1], lines[-1].partition(";")[0]]) + "\n"


def main() -> None:
    """Rewrite the blocks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="pages, such as vp; all by default")
    names = parser.parse_args().names
    for page in sorted(PAGES.glob("*.md")):
        if not names or page.stem in names:
            text = page.read_text("utf-8")
            page.write_text(BLOCK.sub(lambda found: found[1] + said(found[2]) + found[3], text), "utf-8")


if __name__ == "__main__":
    main()

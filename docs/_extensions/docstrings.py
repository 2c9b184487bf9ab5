"""Docstrings as they are written here, made into reStructuredText before napoleon reads them.

They are plain text: `code` in single backticks, indented blocks of mathematics or code between paragraphs.
"""

from __future__ import annotations

import re
from typing import Any

SECTION = re.compile(r"(Args|Arguments|Attributes|Returns|Yields|Raises|Note|Notes|Example|Examples):\s*$")
# What reStructuredText would take for its own marks, outside of code.
MARKS = re.compile(r"(?<!\\)([*|\\]|(?<=\w)_(?=\W|$))")
BULLET = re.compile(r"(\s*)([*-])( +.*)")


def escaped(text: str) -> str:
    """A line with `code` as a literal and every other mark as itself."""
    parts = re.split(r"`+([^`]+)`+", text)
    return "".join(
        f"``{part}``" if place % 2 else MARKS.sub(r"\\\1", part) for place, part in enumerate(parts)
    )


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText, sections such as `Args:` left to napoleon."""
    made: list[str] = []
    place, section = 0, False
    while place < len(lines):
        line = lines[place]
        indented = line.startswith(" ")
        if line and not indented:
            section = bool(SECTION.match(line))
        if indented and not section and (not made or not made[-1].strip()):
            made += ["::", ""]
            while place < len(lines) and (lines[place].startswith(" ") or not lines[place].strip()):
                made.append(lines[place])
                place += 1
            made.append("")
            continue
        bullet = BULLET.match(line)
        made.append(f"{bullet[1]}{bullet[2]}{escaped(bullet[3])}" if bullet else escaped(line))
        place += 1
    return made


def process(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:  # noqa: ANN401
    """What autodoc calls for every docstring."""
    lines[:] = converted(lines)


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Be heard before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True}

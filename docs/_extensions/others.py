"""A page that no table of contents names yet still has a place: where the landing page says `others`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def read(app: Any, name: str, source: list[str]) -> None:  # noqa: ANN401
    """Put the pages that the landing page does not name in place of `others`."""
    if name != "index":
        return
    named = set(re.findall(r"^([\w/*-]+)$", source[0], re.M))
    pages = {page.stem for page in Path(app.srcdir).glob("*.md")} - named - {"index"}
    source[0] = re.sub(r"^others$", "\n".join(sorted(pages)), source[0], flags=re.M)


def plain(app: Any, tree: Any) -> None:  # noqa: ANN401
    """Do not say of a class that it is an object."""
    for line in list(tree.findall(lambda node: node.tagname == "paragraph")):
        if line.astext() == "Bases: object":
            line.parent.remove(line)


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Listen."""
    app.connect("source-read", read, priority=400)
    app.connect("doctree-read", plain)
    return {"parallel_read_safe": True}

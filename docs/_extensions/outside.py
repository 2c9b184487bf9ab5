"""Files beside the docs folder as pages of the site: benchmarks/README.md, CONTRIBUTING.md and their like.

Every link in this repository is a path, so that it works on any git host. Here those that leave the docs
folder are turned to the page that holds the file; those to other files (scripts, sources) become plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\)|\[[^\]]*\])*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r"(!\[[^\]]*\]\()([^)\s]+)(\))")
SOURCE = re.compile(r"(src=\")([^\"]+)(\")")


def turned(text: str, file: Path, page: Path, docs: Path, pages: dict[Path, Path]) -> str:
    """The text of `file` as that of `page`: its links lead from there.

    Args:
        text: Markdown.
        file: where it was written, absolute.
        page: where Sphinx thinks it is, absolute.
        docs: the folder of the site's sources.
        pages: a page for each file outside of it.
    """

    def place(target: str) -> str | None:
        path, mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", target):
            return target
        absolute = (file.parent / path).resolve()
        absolute = pages.get(absolute, absolute)
        inside = absolute.is_relative_to(docs) and absolute.exists()
        return f"{os.path.relpath(absolute, page.parent)}{mark}{anchor}" if inside else None

    def link(found: re.Match[str]) -> str:
        target = place(found[2])
        words = LINK.sub(link, found[1])
        return words if target is None else f"[{words}]({target})"

    def picture(found: re.Match[str]) -> str:
        return f"{found[1]}{place(found[2]) or found[2]}{found[3]}"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(
        part if part.startswith("```") else SOURCE.sub(picture, IMAGE.sub(picture, LINK.sub(link, part)))
        for part in parts
    )


def read(app: Any, name: str, source: list[str]) -> None:  # noqa: ANN401
    """What Sphinx calls with the text of each page."""
    docs = Path(app.srcdir)
    page = docs / f"{name}.md"
    if not page.exists():
        return
    known = {file: stub for stub, file in app.config.outside_pages.items()} | app.config.outside_links
    pages = {(docs.parent / file).resolve(): docs / f"{stub}.md" for file, stub in known.items()}
    file = docs.parent / app.config.outside_pages[name] if name in app.config.outside_pages else page
    if file != page:
        source[0] = file.read_text("utf-8")
        app.env.note_dependency(str(file))
    source[0] = turned(source[0], file.resolve(), page, docs, pages)


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Register the tables of pages and links, and listen."""
    app.add_config_value("outside_pages", {}, "env")
    app.add_config_value("outside_links", {}, "env")
    app.connect("source-read", read)
    return {"parallel_read_safe": True}

"""Files beside the docs folder as pages of the site: benchmarks/README.md, CONTRIBUTING.md and their like.

Every link in this repository is a path, so that it works on any git host. Here those that leave the docs
folder are turned to the page that holds the file. A Python file that is linked has a page of its own that
shows it, `files/benchmarks/digits.html`; links to other files become plain text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\)|\[[^\]]*\])*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r"(!\[[^\]]*\]\()([^)\s]+)(\))")
SOURCE = re.compile(r"(src=\")([^\"]+)(\")")
BLOCK = re.compile(r"(^```.*?^```$)", re.M | re.S)
SHOWN = "files"  # the folder of pages that show a Python file


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
        words = LINK.sub(link, found[1])
        script = python_file(found[2], file, docs.parent)
        if script is not None:
            address = os.path.relpath(docs / SHOWN / script.with_suffix(".html"), page.parent)
            return f'<a href="{address}">{words}</a>'
        target = place(found[2])
        return words if target is None else f"[{words}]({target})"

    def picture(found: re.Match[str]) -> str:
        return f"{found[1]}{place(found[2]) or found[2]}{found[3]}"

    parts = BLOCK.split(text)
    return "".join(
        part if part.startswith("```") else SOURCE.sub(picture, IMAGE.sub(picture, LINK.sub(link, part)))
        for part in parts
    )


def python_file(target: str, file: Path, root: Path) -> Path | None:
    """The Python file that a link in `file` leads to, from the root; None where it leads elsewhere."""
    path = (file.parent / target).resolve()
    return path.relative_to(root) if path.suffix == ".py" and path.is_file() else None


def shown(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:  # noqa: ANN401
    """A page for each Python file that a page links to."""
    root = Path(app.srcdir).parent
    linked = {
        path
        for name in app.env.found_docs
        if (file := text_of(app, name)) is not None
        for _, target in LINK.findall("".join(BLOCK.split(file.read_text("utf-8"))[::2]))
        if (path := python_file(target, file, root)) is not None
    }
    for path in sorted(linked):
        code = app.builder.highlighter.highlight_block((root / path).read_text("utf-8"), "python")
        context = {"title": str(path), "body": f"<h1>{path}</h1>{code}", "parents": []}
        yield f"{SHOWN}/{path.with_suffix('')}", context, "page.html"


def text_of(app: Any, name: str) -> Path | None:  # noqa: ANN401
    """The file that holds the text of a page; None of one that is not Markdown."""
    outside = app.config.outside_pages.get(name)
    file = Path(app.srcdir) / f"{name}.md" if outside is None else Path(app.srcdir).parent / outside
    return file.resolve() if file.exists() else None


def read(app: Any, name: str, source: list[str]) -> None:  # noqa: ANN401
    """What Sphinx calls with the text of each page."""
    docs = Path(app.srcdir)
    page, file = docs / f"{name}.md", text_of(app, name)
    if file is None:
        return
    known = {file: stub for stub, file in app.config.outside_pages.items()} | app.config.outside_links
    pages = {(docs.parent / file).resolve(): docs / f"{stub}.md" for file, stub in known.items()}
    if name in app.config.outside_pages:
        source[0] = file.read_text("utf-8")
        app.env.note_dependency(str(file))
    source[0] = turned(source[0], file, page, docs, pages)


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Register the tables of pages and links, and listen."""
    app.add_config_value("outside_pages", {}, "env")
    app.add_config_value("outside_links", {}, "env")
    app.connect("source-read", read)
    app.connect("html-collect-pages", shown)
    return {"parallel_read_safe": True}

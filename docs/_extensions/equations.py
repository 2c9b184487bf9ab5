"""Equations on the site: Unicode text with its indices and powers set as such, by HTML alone.

In the sources an equation is an indented block without a language, as in a docstring. Here `x_t` and
`e^{−λ_k τ}` get their subscripts and superscripts; in running text those of one letter or in braces do.
No script, no font and no network is needed to show them.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes

# What tells a block of code in a docstring from mathematics.
CODE = re.compile(r"^\s*(from |import |unstir |python |OMP_|\$ |\w+ = unstir|--|[{}\[\]])", re.M)
BRACED = re.compile(r"([_^])\{([^{}]*)\}")
INDEX = re.compile(r"(?<=\S)([_^])([−-]?[A-Za-z0-9α-ω₊∥∞]+)")
# In prose: one letter and its index, and powers of letters and brackets. Names of Python stand in code there.
INLINE = re.compile(r"(?<![\w.])((?:[A-Za-zα-ωΑ-Ωᾱ][̂̄̇]?|∂|Σ|∫|argmin)[²³]?)_([A-Za-z0-9α-ω]+)(?![\w.]\w)")
POWER = re.compile(r"(?<=[\w)√])\^([A-Za-z0-9α-ω]+)(?!\w)")


TAGS = {"_": "sub", "^": "sup"}


def set_in(text: str, block: bool) -> str:
    """HTML of a piece of text with its indices and powers raised and lowered."""
    out, before = html.escape(text, quote=False), ""
    kept: list[str] = []

    def braced(found: re.Match[str]) -> str:
        # What is set already stands aside, so that the rules below do not see its tags.
        kept.append(f"<{TAGS[found[1]]}>{lettered(found[2], True)}</{TAGS[found[1]]}>")
        return f"\ue000{len(kept) - 1}\ue000"

    while out != before:
        before, out = out, BRACED.sub(braced, out)
    out = lettered(out, block)
    for _ in kept:
        out = re.sub("\ue000(\\d+)\ue000", lambda found: kept[int(found[1])], out)
    return out


def lettered(text: str, block: bool) -> str:
    """Indices and powers without braces: all of a block's, of prose those of a single letter."""
    if block:
        return INDEX.sub(lambda found: f"<{TAGS[found[1]]}>{found[2]}</{TAGS[found[1]]}>", text)
    return POWER.sub(r"<sup>\1</sup>", INLINE.sub(r"\1<sub>\2</sub>", text))


def equation(text: str) -> str:
    """HTML of a block: a line each, columns that are three and more spaces apart kept apart."""
    lines = [re.sub(r"(?<=\S) {3,}", "   ", line) for line in text.split("\n")]
    return '<div class="equation" role="math">' + "\n".join(set_in(line, True) for line in lines) + "</div>"


def transform(app: Any, tree: nodes.document, name: str) -> None:  # noqa: ANN401
    """Set the equations of a page."""
    if app.builder.format != "html":
        return
    for block in list(tree.findall(nodes.literal_block)):
        if block.get("language", "default") in {"none", "default"} and not CODE.search(block.astext()):
            block.replace_self(nodes.raw("", equation(block.astext()), format="html"))
    for text in list(tree.findall(nodes.Text)):
        inside = (nodes.literal, nodes.literal_block, nodes.raw, nodes.FixedTextElement, nodes.title)
        parents, node = [], text.parent
        while node is not None:
            parents.append(node)
            node = node.parent
        if any(
            isinstance(one, inside) or (one.tagname.startswith("desc_") and one.tagname != "desc_content")
            for one in parents
        ):
            continue
        made = set_in(text.astext(), block=False)
        if "<sub>" in made or "<sup>" in made:
            text.parent.replace(text, nodes.raw("", made, format="html"))


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Listen for finished pages."""
    app.connect("doctree-resolved", transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

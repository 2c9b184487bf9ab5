"""The report as one HTML file that needs nothing but itself: no network, no other file.

A content security policy forbids all that is not in the page. Charts are Plotly's, whose own bundle is
inlined once; pictures are data URIs.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from unstir.compare.page.parts import text
from unstir.compare.page.sections import Sections
from unstir.compare.plan import Plan
from unstir.compare.results import Sets
from unstir.train.storage import write_text

_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_page(plan: Plan, results: dict[str, Any], sets: Sets, path: Path) -> None:
    """Write the report of a comparison.

    Args:
        plan: of the comparison.
        results: its figures.
        sets: its samples.
        path: the file.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    write_text(path, make_page(plan, results, sets))


def make_page(plan: Plan, results: dict[str, Any], sets: Sets) -> str:
    """The report as text."""
    title = _title(plan)
    return whole_page(title, Sections(plan, title, results, sets).all())


def whole_page(title: str, body: str) -> str:
    """A page around a `body` of HTML."""
    from plotly.offline import get_plotlyjs

    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{_file('style.css')}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>{get_plotlyjs()}</script>\n<script>\n{_file('script.js')}</script>\n</body>\n</html>\n"
    )


def _title(plan: Plan) -> str:
    count = len(plan.processes)
    return f"{count} process{'es' * (count > 1)} on {Path(plan.data).name or plan.data}"


def _file(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text("utf-8")

"""The pages of the physics: one for each, in one form, with the parameters and checks that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unstir.measure.certificates import questions
from unstir.physics import Entry, entries, entry_of_pde

FOLDER = Path(__file__).parents[1] / "docs" / "physics"
ENTRIES = [*entries(), entry_of_pde()]
SECTIONS = ["Equations", "When to use it", "Certificate", "Sources"]
CERTIFICATE = re.compile(r"\$ unstir verify ([^\n]+)\n```\n\n```text\n(.*?)^```$", re.M | re.S)
ROW = re.compile(r"^  (\S.*?)\s+(\S+)  ([≥≤]) (\S+)  (holds|FAILS)  (.*)$")


def text(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text("utf-8")


def test_every_process_has_a_page_and_a_card() -> None:
    names = {entry.name for entry in ENTRIES}
    assert {page.stem for page in FOLDER.glob("*.md")} == names | {"index"}
    for home in (FOLDER / "index.md", FOLDER.parent / "index.md", FOLDER.parents[1] / "README.md"):
        linked = set(re.findall(r"\((?:docs/)?(?:physics/)?(\w+)\.md\)", home.read_text("utf-8")))
        assert names <= linked, home


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_page_has_the_one_form(entry: Entry) -> None:
    page = text(entry.name)
    titles = re.findall(r"^## (.*)$", page, re.M)
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    idea, rest = page.split("## Equations")
    assert len(idea.split("\n\n")[1].split()) > 25  # a paragraph, before anything else
    assert "![" in idea
    assert "unstir picture" in page
    assert re.search(r"^    \S", rest, re.M) or "| ω(k) |" in rest
    assert re.search(r"\d{4}\.\d{5}|new here", page.split("## Sources")[1].lower())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_page_names_every_parameter(entry: Entry) -> None:
    page = text(entry.name)
    for parameter in entry.parameters:
        assert f"`{parameter}`" in page, parameter


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_certificate_is_the_one_that_is_asked_now(entry: Entry) -> None:
    """Checks and bounds are compared; `python docs/certificates.py` prints the values."""
    found = CERTIFICATE.search(text(entry.name))
    assert found is not None
    asked = questions(found[1].split())
    rows = [row for row in map(ROW.match, found[2].splitlines()) if row]
    assert [(row[1], row[6]) for row in rows] == [(one.check.kind, one.check.compared) for one in asked]
    for row in rows:
        value, bound = float(row[2]), float(row[4])
        assert (value >= bound) if row[3] == "≥" else (value <= bound)
        assert row[5] == "holds"
    assert f"{len(rows)} of {len(rows)} certificates" in found[2]

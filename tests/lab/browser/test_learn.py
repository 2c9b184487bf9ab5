"""The seven chapters: each opens with its figures, and a slider answers its question."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

Visit = Callable[..., Any]


# Chapter, where its slider stands when it has not got there, and where it has.
CHAPTERS = [
    (1, "Why assumptions fail on images", 200, 400, "They do not."),
    (2, "A rod of metal", 100, 390, "A quarter of the time."),
    (3, "Reversing time", 5, 200, "Hardly at all."),
    (4, "Electrons and the hemisphere", 100, 380, "About twelve times"),
    (5, "Coins and molecules", 200, 380, "More than four in five."),
    (6, "From one to another by D", 200, 300, "Near D = 82."),
    (7, "Any equation", 30, 200, "Up to k₀ ≈ 0.17"),
]


@pytest.mark.parametrize(("number", "title", "short", "there", "answer"), CHAPTERS)
def test_a_slider_answers_the_question(
    visit: Visit, number: int, title: str, short: int, there: int, answer: str
) -> None:
    page = visit(f"#scene=learn&chapter={number}", ready=False).page
    expect(page.locator(".chapter-title")).to_have_text(title)
    question = page.locator(".question")
    slider = question.locator("input[type=range]").first
    for figure in page.locator(".live").all():
        figure.scroll_into_view_if_needed()
    slider.scroll_into_view_if_needed()
    now = question.locator(".now")
    expect(now).to_have_text(re.compile(r"\w+"))
    said = now.text_content()
    move = "(range, to) => { range.value = to; range.dispatchEvent(new Event('input')); }"
    slider.evaluate(move, short)
    expect(now).not_to_have_text(said or "")
    expect(question).not_to_have_attribute("data-open", "")
    slider.evaluate(move, there)
    expect(question).to_have_attribute("data-open", "")
    expect(question.locator(".answer")).to_contain_text(answer)


def test_chapters_lead_to_each_other_and_stay_in_the_link(visit: Visit) -> None:
    seat = visit("#scene=learn", ready=False)
    page = seat.page
    page.get_by_role("link", name="Next A rod of metal").click()
    expect(page.locator(".chapter-title")).to_have_text("A rod of metal")
    assert seat.told("chapter") == "2"
    page.get_by_role("navigation", name="Chapters").get_by_role("link", name="Any equation").click()
    expect(page.locator(".chapter-title")).to_have_text("Any equation")
    page.get_by_role("button", name="I give up, tell me").click()
    expect(page.locator(".answer")).to_contain_text("0.17")

"""Who can use it: keys alone, readers of the screen, both themes, a lost connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

Visit = Callable[..., Any]


def violations(page: Any) -> list[str]:  # noqa: ANN401
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize(("dark", "narrow"), [(False, False), (True, False), (True, True)])
def test_axe_finds_nothing(visit: Visit, dark: bool, narrow: bool) -> None:
    seat = visit("#n=300&view=arrows&compare=", dark=dark, narrow=narrow)
    assert violations(seat.page) == []
    for key in ("?", "s"):
        seat.page.keyboard.press(key)
        expect(seat.page.locator("dialog[open]")).to_be_visible()
        assert violations(seat.page) == []
        seat.page.keyboard.press("Escape")
    seat.page.keyboard.press("w")
    assert violations(seat.page) == []


def test_axe_would_find_something(visit: Visit) -> None:
    page = visit("#n=300").page
    page.evaluate("document.querySelector('#tools button:last-child').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('#tools button:last-child').removeAttribute('title')")
    assert any(one.startswith("button-name") for one in violations(page))


def test_keys_alone_are_enough(visit: Visit) -> None:
    seat = visit("#n=300")
    page = seat.page
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_focused()
    assert seat.told("t") is None  # a skip link is no state
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Spiral")).to_be_focused()
    page.keyboard.press("ArrowRight")
    seat.settle()
    assert seat.told("data") == "two-moons"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.value") == "poisson":
            break
    page.keyboard.press("ArrowRight")
    seat.settle()
    assert seat.told("process") == "pfgm"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.value") == "pfgm"
    page.keyboard.press("End")
    page.keyboard.press("1")
    assert seat.told("t") == "1"
    assert seat.told("view") == "arrows"


def test_the_theme_is_toggled_and_kept(visit: Visit) -> None:
    page = visit("#n=300").page
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.get_by_role("button", name="Light colours").wait_for()


def test_a_lost_connection_is_told_and_found_again(visit: Visit, lab: Any) -> None:  # noqa: ANN401
    seat = visit("#n=300", quiet=False)  # the browser itself complains of the lost connection
    lab.stop()
    try:
        expect(seat.page.locator(".notice")).to_contain_text("Connection lost")
        seat.page.get_by_role("radio", name="Two moons").click()
        seat.page.wait_for_timeout(300)
        assert seat.page.locator(".panel[data-busy]").count() == 2
    finally:
        lab.start()
    seat.settle()
    expect(seat.page.locator(".notice")).to_have_count(0)
    assert seat.told("data") == "two-moons"


def test_states_survive_the_link(visit: Visit) -> None:
    """What is written into a link is read out of it, whatever it is; nonsense gives the default."""
    page = visit("#n=300").page
    assert page.evaluate((Path(__file__).parent / "states.js").read_text()) == []

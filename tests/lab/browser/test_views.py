"""Every view of the menu opens, fits the window, speaks to readers of the screen and logs no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

Visit = Callable[..., Any]


@pytest.mark.parametrize(("dark", "narrow"), [(False, False), (True, True)])
def test_each_view_is_open_to_all(visit: Visit, dark: bool, narrow: bool) -> None:
    page = visit("#n=100", dark=dark, narrow=narrow).page
    names = page.evaluate("[...document.querySelectorAll('.views option')].map((one) => one.value)")
    for name in names:
        page.evaluate("(name) => { location.hash = `scene=${name}&n=100`; }", name)
        expect(page.locator(f"#view[data-scene={name}]")).to_be_visible()
        page.wait_for_timeout(1000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        found = axe.Axe().run(page).response["violations"]
        assert [(name, one["id"], one["nodes"][0]["html"][:150]) for one in found] == []


def test_the_list_of_views_leads_there_and_back(visit: Visit) -> None:
    seat = visit("#n=100", narrow=True)
    choice = seat.page.get_by_label("View", exact=True)
    names = choice.locator("option").evaluate_all("(all) => all.map((one) => one.value)")
    choice.select_option(names[1])
    assert seat.told("scene") == names[1]
    choice.select_option("explore")
    seat.settle()
    assert seat.told("scene") is None

"""The explorer: data, physics, time, compared and followed, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unstir.physics import entries

expect = pytest.importorskip("playwright.sync_api").expect

Pixels = np.ndarray[Any, Any]
Visit = Callable[..., Any]


def coloured(pixels: Pixels) -> Pixels:
    """Where there is more than grey."""
    found: Pixels = pixels.max(2) - pixels.min(2) > 40
    return found


def test_opens_on_a_spiral_forward_warm_and_backward_cool(visit: Visit) -> None:
    seat = visit("#n=1000")
    warm, cool = seat.seen("forward"), seat.seen("backward")
    assert coloured(warm).sum() > 1000
    assert coloured(cool).sum() > 1000
    assert (warm[coloured(warm)].mean(0) @ [1, 0, -1]) > 30  # more red than blue
    assert (cool[coloured(cool)].mean(0) @ [1, 0, -1]) < -30
    # At the data both ways show the same spiral, which a fresh draw of the prior would not.
    both = coloured(warm) & coloured(cool)
    assert both.sum() > 0.3 * min(coloured(warm).sum(), coloured(cool).sum())


def test_both_plates_show_one_time_of_the_scrubber(visit: Visit) -> None:
    seat = visit("#n=300")
    scrub = seat.page.get_by_role("slider", name="Time, from data to prior")
    early = seat.times
    scrub.fill("500")
    seat.page.wait_for_timeout(100)
    first, second = seat.times
    assert first == second != early[0]
    assert seat.told("t") == "0.5"
    seat.page.keyboard.press("End")
    seat.page.wait_for_timeout(100)
    assert seat.times[0] == "t = 80.0"
    scrub.focus()
    seat.page.keyboard.press("ArrowLeft")
    seat.page.wait_for_timeout(100)
    assert float(seat.times[0].removeprefix("t = ")) < 80


def test_plays_to_the_prior_and_pauses(visit: Visit) -> None:
    seat = visit("#n=300&t=0.2")
    before = seat.times
    seat.page.get_by_role("button", name="Play", exact=True).click()
    expect(seat.page.locator(".panel .time").first).not_to_have_text(before[0])
    seat.page.get_by_role("button", name="Pause", exact=True).click()
    seat.page.wait_for_timeout(200)
    held = seat.times
    seat.page.wait_for_timeout(700)
    assert seat.times == held != before


def test_opens_still_where_motion_is_reduced_and_moving_where_not(visit: Visit) -> None:
    still = visit("#n=300").page
    still.wait_for_timeout(1500)
    assert still.get_by_role("button", name="Play", exact=True).is_visible()
    moving = visit("#n=300", motion=True).page
    moving.get_by_role("button", name="Pause", exact=True).wait_for()


def test_a_parameter_moves_the_particles(visit: Visit) -> None:
    seat = visit("#n=300&t=0.6&process=poisson:D=1")
    heavy = seat.seen()
    seat.page.get_by_label("extra dimensions").first.fill("400")
    seat.settle()
    assert seat.told("process") == "poisson:D=4096"
    assert np.abs(seat.seen() - heavy).mean() > 1


def test_chooses_the_physics_from_the_whole_family(visit: Visit) -> None:
    seat = visit("#n=12&t=0.3")
    names = seat.page.locator(".family .chip").evaluate_all("(all) => all.map((one) => one.dataset.value)")
    assert sorted(names) == sorted([entry.name for entry in entries()] + ["pde"])
    for name in ("pfgm", "capacitor", "levy", "langevin", "kac", "blurring", "coins", "bridge", "pde"):
        seat.page.locator(f".family .chip[data-value={name}]").click()
        seat.settle()
        assert seat.page.locator(".trouble").is_hidden(), name
        assert seat.times[0].startswith("t = "), name


def test_images_are_shown_as_images(visit: Visit) -> None:
    seat = visit("#data=digits&process=heat&n=300")
    assert seat.told("data") == "images:digits"
    grey = seat.seen()
    assert (grey.std(2) < 3).mean() > 0.9
    assert len(np.unique(grey[..., 0])) > 10
    seat.page.get_by_role("radio", name="EDM").click()
    seat.settle()
    seat.page.get_by_role("radio", name="Spiral").click()
    seat.settle()
    assert coloured(seat.seen()).sum() > 500


def test_compares_two_physics(visit: Visit) -> None:
    seat = visit("#n=300&t=0.5")
    seat.page.get_by_label("Compare with").select_option("kac")
    seat.settle(plates=4)
    assert seat.told("compare") == "kac"
    titles = seat.page.locator(".panel .of").all_text_contents()
    assert titles == ["Poisson, D = 1", "Poisson, D = 1", "Kac", "Kac"]
    assert np.abs(seat.seen(number=0) - seat.seen(number=1)).mean() > 1
    seat.page.keyboard.press("c")
    seat.settle()


def test_a_particle_is_followed_with_its_trail(visit: Visit) -> None:
    seat = visit("#t=0.5&n=40")
    before = seat.seen()
    seat.page.keyboard.press("n")
    seat.page.wait_for_timeout(100)
    assert seat.told("follow") == "f:0"
    assert np.abs(seat.seen() - before).max() > 100
    seat.page.keyboard.press("Escape")
    seat.page.wait_for_timeout(100)
    assert np.array_equal(seat.seen(), before)
    rows, columns = np.nonzero(coloured(before))
    seat.page.locator(".panel.forward .plate").click(position={"x": int(columns[0]), "y": int(rows[0])})
    assert (seat.told("follow") or "").startswith("f:")


def test_a_new_seed_throws_new_dice(visit: Visit) -> None:
    seat = visit("#n=300&t=0.5")
    before = seat.seen("backward")
    seat.page.keyboard.press("r")
    seat.settle()
    assert seat.told("seed") == "1"
    assert np.abs(seat.seen("backward") - before).mean() > 1


@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_is_wider_than_the_window(visit: Visit, narrow: bool) -> None:
    seat = visit("#n=300", narrow=narrow)
    assert seat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = seat.page.evaluate(
        "[...document.querySelectorAll('button, input, select, .plate')].filter((one) => {"
        "const box = one.getBoundingClientRect();"
        "return box.width && (box.left < -1 || box.right > innerWidth + 1) }).map((one) => one.outerHTML)"
    )
    assert outside == []


def test_looks_the_same_without_webgl(visit: Visit) -> None:
    with_it = visit("#n=300&t=0.3&process=vp").seen()
    without = """
        const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
            return kind === "webgl2" ? null : get.call(this, kind, ...rest);
        };
    """
    flat = visit("#n=300&t=0.3&process=vp", before=without)
    assert flat.page.evaluate("document.querySelectorAll('.plate canvas')[1].getContext('2d') !== null")
    drawn = flat.seen()
    assert coloured(drawn).sum() > 300
    both = coloured(drawn) & coloured(with_it)
    assert both.sum() > 0.6 * max(coloured(drawn).sum(), coloured(with_it).sum())


def test_an_equation_says_whether_it_can_generate(visit: Visit) -> None:
    seat = visit("#n=60&process=pde", ready=False)
    seat.page.get_by_label("equation", exact=True).select_option("wave")
    expect(seat.page.get_by_text("It cannot generate")).to_be_visible()
    seat.page.get_by_label("equation", exact=True).select_option("heat")
    expect(seat.page.get_by_text("It can generate.")).to_be_visible()
    seat.settle()


def test_a_slider_in_motion_asks_now_and_then(visit: Visit) -> None:
    """However fast it moves, the server is not flooded, and the last place is what is shown."""
    seat = visit("#n=60&process=poisson:D=1&t=0.6")
    sent, passed = seat.page.evaluate("""async () => {
        let sent = 0;
        const begun = performance.now();
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (text) {
            sent += text.includes('"path"');
            return send.call(this, text);
        };
        const slider = document.querySelector(".parameters input[type=range]");
        for (let i = 0; i <= 400; i += 4) {
            slider.value = i;
            slider.dispatchEvent(new Event("input"));
            await new Promise((go) => setTimeout(go, 5));
        }
        return [sent, performance.now() - begun];
    }""")
    assert 2 <= sent <= 2 * (passed / 60 + 2)  # two plates, asked every 60 ms, moved 101 times
    seat.settle()
    assert seat.told("process") == "poisson:D=4096"
    direct = visit("#n=60&process=poisson:D=4096&t=0.6")
    assert np.abs(seat.seen() - direct.seen()).mean() < 0.5

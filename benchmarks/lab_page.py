"""How the lab feels, measured in headless Chromium: first picture, frames a second, answers of a slider.

    python benchmarks/lab_page.py [--rounds 5] [--json]

first picture   from the opening of the page, in a fresh browser context, until a plate shows particles
                (bar: 1 s)
frames          of 3,000 particles in two plates, 1440x900, while time plays (bar: 60 a second); headless
                Chromium draws WebGL on the processor, so the processor time of a frame is told, too
slider          from a move of Poisson's D until the plate shows the coarse answer (bar: 100 ms), and all
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

SERVER = (
    "from unstir.lab.serve import serve; serve(port=0, browser=False, say=lambda url: print(url, flush=True))"
)
SIZE = {"width": 1440, "height": 900}
FRAMES = 240
PLATES = ("forward", "backward")
COUNTED = """async (frames) => {
    const gaps = [];
    let last = await new Promise(requestAnimationFrame);
    for (let i = 0; i < frames; i++) {
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - last);
        last = now;
    }
    return gaps;
}"""
# Moves the slider, and says when each plate has shown its first and its last answer.
MOVED = """async (value) => {
    const slider = document.querySelector(".parameters input[type=range]");
    const seen = { forward: [], backward: [] };
    const watch = new PerformanceObserver((list) => {
        for (const { name, startTime } of list.getEntries()) seen[name.slice(6)]?.push(startTime);
    });
    watch.observe({ type: "mark" });
    const start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    const idle = () => document.querySelectorAll(".panel[data-busy]").length === 0;
    const shown = () => idle() && seen.forward.length && seen.backward.length;
    while (!shown()) await new Promise((go) => setTimeout(go, 5));
    watch.disconnect();
    return Object.fromEntries(Object.entries(seen).map(([plate, at]) =>
        [plate, [at[0] - start, at[at.length - 1] - start]]));
}"""


def opened(browser: Browser, url: str) -> Page:
    """The page in a fresh context, with both plates full."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto(url)
    for plate in PLATES:
        page.locator(f".panel.{plate}[data-ready]").wait_for()
    while page.locator(".panel[data-busy]").count():
        page.wait_for_timeout(50)
    return page


def processor_seconds() -> dict[str, float]:
    """Processor time so far of the browser's processes, which descend from this one, by their kind."""
    parents, used, kinds = dict[int, int](), dict[int, float](), dict[int, str]()
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_text()
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            number = int(folder.name)
        except (OSError, ValueError):
            continue
        parents[number] = int(fields[1])
        used[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if "--type=" in command:
            kinds[number] = command.partition("--type=")[2].split("\0")[0].split(" ")[0]
    total: dict[str, float] = {}
    for number, kind in kinds.items():
        above = number
        while above > 1 and above != os.getpid():
            above = parents.get(above, 0)
        if above == os.getpid() and kind in ("renderer", "gpu-process"):
            total[kind] = total.get(kind, 0.0) + used[number]
    return total


def measured(rounds: int) -> dict[str, Any]:
    """All three, from a server of its own."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("lab_page: needs chromium; apt install chromium")
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox", "--enable-unsafe-swiftshader"],
            )
            return figures(browser, url, rounds)
    finally:
        server.terminate()
        server.wait()


def figures(browser: Browser, url: str, rounds: int) -> dict[str, Any]:
    """What the page does."""
    first: dict[str, list[float]] = {plate: [] for plate in PLATES}
    for _ in range(rounds):
        page = browser.new_context(viewport=SIZE).new_page()
        page.goto(url)
        for plate in PLATES:
            page.locator(f".panel.{plate}[data-ready]").wait_for()
        shown = "performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime])"
        marks = dict(page.evaluate(f"() => {{ window.early ??= {shown}; return window.early; }}"))
        for plate in PLATES:
            first[plate].append(marks[f"shown-{plate}"])
        page.context.close()

    page = opened(browser, url)
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    before = processor_seconds()
    gaps = sorted(page.evaluate(COUNTED, FRAMES))
    after = processor_seconds()
    page.keyboard.press("Space")

    moves = [page.evaluate(MOVED, str(60 + 30 * k)) for k in range(2 * rounds)]
    page.context.close()
    return {
        "load": os.getloadavg()[0],
        "first_picture_ms": {plate: statistics.median(first[plate]) for plate in PLATES},
        "frames_per_second": 1000 / statistics.mean(gaps),
        "slow_frame_ms": gaps[int(0.95 * len(gaps))],
        "processor_ms_a_frame": {kind: 1000 * (after[kind] - before[kind]) / FRAMES for kind in after},
        "slider_coarse_ms": {plate: statistics.median(move[plate][0] for move in moves) for plate in PLATES},
        "slider_whole_ms": {plate: statistics.median(move[plate][1] for move in moves) for plate in PLATES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measured(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        values = value if isinstance(value, dict) else {"": value}
        print(f"{name:<22}" + "   ".join(f"{key} {number:.1f}".strip() for key, number in values.items()))


if __name__ == "__main__":
    main()

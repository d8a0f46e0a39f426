"""Seconds from a change of a control of `heterostem explore` to its charts, about 6000 patches.

First what this process works out for a change: stages, charts and their JSON, wall and processor time. Then,
where Chromium and playwright are installed, from a key press in the browser to the redrawn charts.

Run: python benchmarks/explore.py [--size PX] [--step PX] [--window PX] [--no-browser]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator

from learn.explore import ExploreState, Session
from learn.explore.page_parts import make_charts
from learn.explore.serving import served

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
WAIT_MS = 300_000
REST_MS = 2_000
"""Between changes, for the pictures below the charts."""
DRAWN = """count => {
  const plots = [], look = root => root.querySelectorAll("*").forEach(element => {
    if (element.matches(".js-plotly-plot")) plots.push(element);
    if (element.shadowRoot) look(element.shadowRoot);
  });
  look(document);
  return plots.length === 2
    && plots.every(plot => plot.querySelectorAll(".legend .traces").length === count);
}"""
"""Whether both charts show so many clusters; marimo keeps its elements in shadow trees."""


def changes(state: ExploreState) -> Iterator[tuple[str, ExploreState]]:
    """States that differ from the first in one control each, and what is changed."""
    tables = state.model_dump()
    for part, key, values in (
        ("clusters", "count", (3, 4, 6, 8)),
        ("clusters", "covariance", ("tied", "diag", "spherical")),
        ("descriptor", "components", (4, 16)),
        ("patches", "window_px", (24,)),
    ):
        for value in values:
            changed = {**tables, part: {**tables[part], key: value}}
            yield f"{key} {tables[part][key]} -> {value}", ExploreState.of(changed)


def worked_out(session: Session, state: ExploreState) -> tuple[float, float]:
    """Wall and processor seconds for everything that the browser is sent."""
    wall, processor = time.perf_counter(), time.process_time()
    look = session.look(state)
    assert look.problem is None, look.problem
    for chart in make_charts(look):
        chart.figure.to_json()
    return time.perf_counter() - wall, time.process_time() - processor


def in_browser(state: ExploreState, executable: str) -> None:
    """Key presses on the slider of the clusters, until both charts are drawn again."""
    from playwright.sync_api import sync_playwright

    with served(state) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(WAIT_MS)
        page.set_default_navigation_timeout(WAIT_MS)

        def timed(name: str, act: Callable[[], object], count: int) -> None:
            started = time.perf_counter()
            act()
            page.wait_for_function(DRAWN, arg=count, polling=20)
            print(f"{name:36s} {time.perf_counter() - started:6.2f} s in the browser", flush=True)
            page.wait_for_timeout(REST_MS)

        count = state.clusters.count
        timed("the page, with everything new", lambda: page.goto(address), count)
        slider = page.locator("marimo-slider").filter(has_text="clusters").get_by_role("slider")
        for press, new in (
            ("ArrowRight", "new"),
            ("ArrowRight", "new"),
            ("ArrowLeft", "kept"),
            ("ArrowLeft", "kept"),
            ("ArrowLeft", "new"),
            ("ArrowLeft", "new"),
        ):
            step = 1 if press == "ArrowRight" else -1
            name = f"clusters {count} -> {count + step}, {new}"
            count += step
            timed(name, lambda press=press: slider.press(press), count)
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--step", type=int, default=8)
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    patches = {"centres": "grid", "step_px": options.step, "window_px": options.window}
    state = ExploreState.of({"source": {"size_px": options.size}, "patches": patches})
    session = Session()
    wall, processor = worked_out(session, state)
    n = len(session.patches(state))
    print(f"{n} patches of {options.window} x {options.window} pixels")
    print(f"{'everything':36s} {wall:6.2f} s, processor {processor:6.2f} s")
    for name, changed in changes(state):
        wall, processor = worked_out(session, changed)
        print(f"{name:36s} {wall:6.2f} s, processor {processor:6.2f} s", flush=True)
    wall, processor = worked_out(session, state)
    print(f"{'back to the first':36s} {wall:6.2f} s, processor {processor:6.2f} s")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        import playwright  # noqa: F401
    except ImportError:
        executable = None
    if options.no_browser or executable is None:
        print("no browser: playwright or Chromium is missing, or --no-browser was given")
    else:
        in_browser(state, executable)


if __name__ == "__main__":
    main()

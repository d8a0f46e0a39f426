"""The page in a browser without network: controls, picking, errors, export."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from learn.explore.state import ClusterState, ExploreState, PatchState, SourceState

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, to drive a browser, is missing")
for needed in ("marimo", "plotly", "uvicorn"):
    pytest.importorskip(needed, reason=f"{needed}, of the extra explore, is missing")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
ROOT = Path(__file__).resolve().parents[3]
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT = 120_000  # ms; a machine may be busy
STATE = ExploreState(
    source=SourceState(size_px=192),
    patches=PatchState(window_px=16, sublattice_nm=0.33),
    clusters=ClusterState(count=3),
)
PLACE = """(plot, [trace, point]) => {
  const {xaxis, yaxis} = plot._fullLayout;
  const box = plot.getBoundingClientRect(), dots = plot._fullData[trace];
  return [box.left + xaxis._offset + xaxis.l2p(dots.x[point]),
          box.top + yaxis._offset + yaxis.l2p(dots.y[point])];
}"""
DOTS = "plot => plot._fullData.map(dots => [Array.from(dots.x), Array.from(dots.y)])"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page with"),
]


@pytest.fixture
def address(tmp_path):
    """Of a page that the command serves; ended as a user ends it."""
    STATE.save(tmp_path / "look.toml")
    command = [sys.executable, "-m", "heterostem", "explore", str(tmp_path / "look.toml"), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=tmp_path,
        # Tests that run in the background of a script would hand on an ignored SIGINT.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        late = threading.Timer(900, process.kill)
        late.start()
        try:
            lines = iter(process.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.findall(r"http://\S+", line)))
            late.cancel()
            late = threading.Timer(120, process.kill)
            late.start()
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == "ended\n"
            assert process.wait(60) == 0
        finally:
            late.cancel()
            process.kill()


def test_the_page_follows_its_controls_and_shows_what_is_picked(address, tmp_path):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1500, "height": 1300})
        page.set_default_timeout(WAIT)
        page.set_default_navigation_timeout(WAIT)
        answered, failed = [], []
        page.on("response", lambda response: answered.append(response.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(address)
        _wait_for_clusters(page, 3)
        _change_controls(page)
        _pick(page)
        _lasso(page)
        _make_a_mistake(page)
        _export(page, tmp_path)
        assert not failed
        assert len(answered) > 10
        assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in answered)
        browser.close()


def _slider(page, name):
    return page.locator("marimo-slider").filter(has_text=name).get_by_role("slider")


def _choice(page, name):
    return page.get_by_role("combobox", name=name, exact=True)


def _wait_for_clusters(page, count):
    """As many entries in the legend of either chart."""
    for chart in (0, 1):
        entries = page.locator(".js-plotly-plot").nth(chart).locator(".legend .traces")
        sync_api.expect(entries).to_have_count(count, timeout=WAIT)


def _dots(page):
    """Coordinates of the dots of each trace of the map and of the scatter."""
    plots = page.locator(".js-plotly-plot")
    return [plots.nth(chart).evaluate(DOTS) for chart in (0, 1)]


def _change_controls(page):
    """Each control changes the line above the charts, and the charts: the clusters of the map, or where the
    dots of the scatter lie. Another covariance finds the same clusters here.
    """
    for act, chart in (
        (lambda: _slider(page, "clusters").press("ArrowRight"), 0),
        (lambda: _choice(page, "covariance").select_option("spherical"), None),
        (lambda: _slider(page, "how many").press("Home"), 0),
        (lambda: _slider(page, "window").press("ArrowRight"), 1),
    ):
        before, line = _dots(page), page.locator(".told").first.inner_text()
        act()
        sync_api.expect(page.locator(".told").first).not_to_have_text(line, timeout=WAIT)
        if chart is not None:
            _wait(page, lambda before=before, chart=chart: _dots(page)[chart] != before[chart])
        _wait_for_clusters(page, 4)


def _wait(page, true):
    """Until it is true, though a chart may just be drawn anew."""
    for _ in range(WAIT // 100):
        try:
            if true():
                return
        except sync_api.Error:
            pass
        page.wait_for_timeout(100)
    raise AssertionError("the charts did not change")


def _pick(page):
    """In the map, then in the scatter: another patch, told with its place and its cluster."""
    told = []
    for chart in (0, 1):
        line = page.get_by_text(re.compile(r"^Patch \d+: x = .* nm, y = .* nm"))
        x, y = page.locator(".js-plotly-plot").nth(chart).evaluate(PLACE, [1 + chart, 2])
        _wait(page, lambda x=x, y=y, line=line, told=told: _clicked(page, x, y, line, told))
    assert "; cluster 2, probability" in told[0]
    assert "; cluster 3, probability" in told[1]
    assert page.locator("img[alt='picked patches']").evaluate("image => image.naturalWidth") > 500


def _clicked(page, x, y, line, told):
    """Click, and whether another patch is told of soon: a chart that was just drawn may miss a click."""
    page.mouse.move(x - 2, y - 2)
    page.mouse.move(x, y)
    page.wait_for_timeout(150)
    page.mouse.click(x, y)
    for _ in range(50):
        page.wait_for_timeout(100)
        if line.count() and line.inner_text() not in told:
            told.append(line.inner_text())
            return True
    return False


def _lasso(page):
    """Round the whole scatter."""
    box = page.locator(".js-plotly-plot .nsewdrag").nth(1).bounding_box()
    left, top = box["x"] + 3, box["y"] + 3
    right, bottom = box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 5)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    page.get_by_text(re.compile(r"^\d{2,} patches: .*of cluster 1, .*of cluster 4")).wait_for()


def _make_a_mistake(page):
    """A size that is none, an image that is not there: one line, and the way back is open."""
    size = page.locator("marimo-text").filter(has_text="pixel / nm").locator("input:visible")
    size.fill("small")
    size.press("Enter")
    page.get_by_text("pixel_size: 'small' is no number of nm").wait_for()
    size.fill("")
    size.press("Enter")
    _wait_for_clusters(page, 4)
    _choice(page, "image").select_option("image file")
    page.get_by_text("give the path of the image file").wait_for()
    sync_api.expect(page.locator(".js-plotly-plot")).to_have_count(0)
    _choice(page, "image").select_option("drawn example")
    _wait_for_clusters(page, 4)


def _export(page, folder):
    page.get_by_role("tab", name="Export").click()
    text = page.locator("marimo-text").filter(has_text="folder").locator("input:visible")
    text.fill(str(folder / "out"))
    text.press("Enter")
    page.get_by_role("button", name="Write recipe").click()
    page.get_by_text("Written to").wait_for()
    state = ExploreState.load(folder / "out" / "explore.toml")
    assert state.clusters.count == 4
    assert state.clusters.covariance == "spherical"
    assert state.descriptor.components == 1
    assert state.patches.window_px == 17
    assert state.source == STATE.source
    assert (folder / "out" / "map.png").read_bytes().startswith(b"\x89PNG")
    lines = (folder / "out" / "patches.csv").read_text().splitlines()
    assert lines[0] == "y_px,x_px,cluster,probability,PC 1"
    assert len(lines) > 50

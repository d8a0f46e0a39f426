"""The page itself, a notebook of marimo: which part follows which. What the parts do is in `page_parts`."""

import marimo

app = marimo.App(width="full", app_title="heterostem explore")


@app.cell
def _():
    import marimo as mo

    from learn.explore import controls as parts
    from learn.explore import page_parts as page
    from learn.explore.session import shared_session

    return mo, page, parts, shared_session


@app.cell
def _(mo, page, shared_session):
    opening = page.opening(mo.app_meta().request)
    session = shared_session()
    kept: dict[str, str] = {}
    picks = page.Picks()
    turns = page.Turns()
    finished, finish = mo.state(0)
    advanced, advance = mo.state(0)
    return advance, advanced, finish, finished, kept, opening, picks, session, turns


@app.cell
def _(opening, parts):
    controls = parts.make_controls(opening)
    return (controls,)


@app.cell
def _(controls, mo, parts):
    mo.sidebar(parts.sidebar(controls), width="19rem")
    return


@app.cell
def _(controls, finished, opening, page, session, turns):
    finished()
    look = page.look_at(session, controls.value, opening.view, turns)
    return (look,)


@app.cell
def _(finish, look, mo, page, session, turns):
    if look.slow_seconds is not None:
        mo.Thread(
            target=page.work,
            args=(
                session,
                look.state,
                [look.state.clusters.count],
                finish,
                turns.over(lambda: mo.current_thread().should_exit),
            ),
            daemon=True,
        ).start()
    page.notice(look)
    return


@app.cell
def _(kept, look, parts):
    view = parts.view_controls(look, kept)
    return (view,)


@app.cell
def _(mo, view):
    mo.hstack(
        [view["colour"], view["across"], view["up"]], justify="start", gap=1.5
    ) if view is not None else None
    return


@app.cell
def _(kept, look, page, parts, picks, view):
    if view is None:
        shown, map_plot, scatter_plot = None, None, None
    else:
        shown = parts.with_view(look, view.value, kept)
        map_plot, scatter_plot = (page.plot_of(chart, picks) for chart in page.make_charts(shown))
    return map_plot, scatter_plot, shown


@app.cell
def _(map_plot, mo, scatter_plot):
    mo.hstack([map_plot, scatter_plot], widths="equal", gap=1) if map_plot is not None else None
    return


@app.cell
def _(map_plot, page, picks, scatter_plot, shown):
    _ = map_plot, scatter_plot  # a pick in either runs this again
    page.picked(shown, picks.of(shown.patches)) if shown is not None else None
    return


@app.cell
def _(mo):
    compare = mo.ui.run_button(label="Work out 1 to 10 clusters")
    folder = mo.ui.text(value="explore-export", label="folder")
    write = mo.ui.run_button(label="Write recipe, pictures and table")
    return compare, folder, write


@app.cell
def _(advance, compare, look, mo, page, session, turns):
    if compare.value and look.descriptor is not None:
        mo.Thread(
            target=page.work,
            args=(
                session,
                look.state,
                list(range(1, page.MOST_CHOICES + 1)),
                advance,
                turns.over(lambda: mo.current_thread().should_exit),
            ),
            daemon=True,
        ).start()
    return


@app.cell
def _(advanced, look, page, session):
    advanced()
    criteria = page.choices(session, look)
    return (criteria,)


@app.cell
def _(folder, page, shown, write):
    exported = page.export_to(shown, folder.value) if write.value and shown is not None else None
    return (exported,)


@app.cell
def _(compare, criteria, exported, folder, kept, mo, page, shown, write):
    further = {
        "Number of clusters": mo.vstack([compare, criteria]),
        "Export": mo.vstack([mo.hstack([folder, write], justify="start"), exported]),
    }
    tabs = page.tabs_of({**page.below(shown), **further}, kept) if shown is not None else None
    mo.as_html(tabs) if tabs is not None else None
    return (tabs,)


if __name__ == "__main__":
    app.run()

"""`heterostem explore`: micrographs, their patches and clusters, on a page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def explore(
    source: Path | None = None,
    *,
    model: Path | None = None,
    pixel_size_nm: Annotated[float | None, Parameter(name=["--pixel-size", "--pixel-size-nm"])] = None,
    port: int = 0,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Explore patches and clusters of a micrograph on a page; it works without network. Ctrl-C ends it.

    Parameters
    ----------
    source
        A corpus of scenes, an image (TIFF, NPY, PNG; dm3, dm4, emd, mrc with the extra io), or a recipe that
        such a page wrote. Default: a drawn example.
    model
        Folder of an autoencoder of patches, whose latent numbers are shown.
    pixel_size_nm
        Side of a pixel in nm, where the image does not state it, or states it wrongly.
    port
        Port on this machine; 0 takes a free one.
    browser
        Open the page in the browser.
    """
    import time
    import webbrowser

    from learn.explore.serving import served
    from learn.explore.sources import opening_state

    state = opening_state(source, model, pixel_size_nm)
    with served(state, port) as (address, thread):
        print(f"page: {address} (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(address)
        try:
            while thread.is_alive():
                time.sleep(0.2)  # a join that Ctrl-C ends would count the thread as ended
        except KeyboardInterrupt:
            print("ended")

"""Where the page's image comes from, and the state that a page opens with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from learn.explore.state import DescriptorState, ExploreState, PatchState, SourceState
from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError

DRAWN_PIXEL_NM = 0.02
Stamp = tuple[int, int] | None


def micrograph_of(source: SourceState) -> Micrograph:
    """The image with all its channels. UserError, one line, for what cannot be read."""
    if source.kind == "drawn":
        from learn.micrographs.drawn import draw_micrograph

        pixel = source.pixel_size_nm or DRAWN_PIXEL_NM
        return draw_micrograph(source.drawn, source.size_px, pixel, source.seed)
    if not source.path.strip():
        what = "folder of a corpus of scenes" if source.kind == "corpus" else "image file"
        raise UserError(f"source: give the path of the {what}")
    if source.kind == "image":
        from learn.micrographs.reading import read_micrograph

        if not Path(source.path).is_file():
            raise UserError(f"{source.path}: there is no such image file")
        return read_micrograph(source.path, source.pixel_size_nm)
    from learn.micrographs.reading import corpus_micrographs

    (found,) = corpus_micrographs(source.path, [source.sample])
    if source.pixel_size_nm is None:
        return found
    return Micrograph(found.image, source.pixel_size_nm, found.name, found.truth)


def stamp_of(path: str | Path) -> Stamp:
    """When a file, or what a folder lists, last changed, and its size; None if there is nothing."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def opening_state(
    source: str | Path | None = None,
    model: str | Path | None = None,
    pixel_size_nm: float | None = None,
) -> ExploreState:
    """What a page shows first: of a recipe of its own, a corpus, an image file or (None) a drawn example.

    With `model`, the latent numbers of that autoencoder, and patches cut as its training's were. UserError
    if a path leads nowhere, or the model cannot be used.
    """
    state = ExploreState()
    if source is not None:
        path = Path(source)
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; accepted: a corpus, an image, a recipe")
        if path.suffix.lower() == ".toml":
            state = ExploreState.load(path)
        else:
            kind: Literal["corpus", "image"] = "corpus" if path.is_dir() else "image"
            state = state.model_copy(update={"source": SourceState(kind=kind, path=str(path))})
    if pixel_size_nm is not None:
        tables = state.source.model_dump() | {"pixel_size_nm": pixel_size_nm}
        state = ExploreState.of({**state.model_dump(), "source": tables}, "--pixel-size")
    if model is not None:
        state = _with_model(state, Path(model))
    return state


def _with_model(state: ExploreState, folder: Path) -> ExploreState:
    from learn.patch_analysis.cutting import CUTTING, PatchCutting
    from learn.patch_vae import PatchVAE

    vae = PatchVAE.load(folder)
    patches: dict[str, Any] = state.patches.model_dump() | {"window_px": vae.window[0]}
    if (folder / CUTTING).is_file():
        cutting = PatchCutting.load(folder)
        step = cutting.step_nm or cutting.window_nm / 4
        patches |= {
            "centres": cutting.centres,
            "step_px": max(1, round(step / vae.pixel_size_nm)),
            "sublattice_nm": cutting.sublattice_nm,
            "normalise": cutting.normalise,
        }
    return state.model_copy(
        update={
            "patches": PatchState(**patches),
            "descriptor": DescriptorState(kind="model", model=str(folder)),
        }
    )

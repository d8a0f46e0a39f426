"""From a state to what a page shows: micrograph, columns, patches, descriptor, clusters, scores.

Each stage is kept by what it depends on and nothing else, so a change works out again only what follows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learn.clustering.mixture import Mixture
from learn.explore import descriptors
from learn.explore.cache import Cache
from learn.explore.descriptors import Descriptor
from learn.explore.mixtures import mixture, seconds_for
from learn.explore.sources import Stamp, micrograph_of, stamp_of
from learn.explore.state import LARGEST_COUNT, ClusterState, ExploreState, SourceState
from learn.micrographs import Micrograph, PatchSet
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.micrographs.patch_truth import PatchTruth
    from learn.patch_vae import PatchVAE

KEPT = {
    "micrograph": 4,
    "columns": 16,
    "patches": 4,
    "components": 6,
    "nmf": 12,
    "model": 2,
    "latents": 6,
    "truth": 6,
    "neighbours": 6,
    "clusters": 128,
    "scores": 128,
}
"""Results of each stage that are kept."""
LARGEST_VALUES = 250_000_000
"""Of all patches together: 1 GB."""
SLOW_SECONDS = 3.0
"""What takes longer is worked out beside the page."""
Key = tuple


@dataclass(frozen=True, eq=False)
class Look:
    """What a state shows, as far as it could be worked out; `problem` is one line that says why not further.

    slow_seconds: the clusters are not there yet, and take about so long. scores: agreement with the truth.
    """

    state: ExploreState
    micrograph: Micrograph | None = None
    patches: PatchSet | None = None
    descriptor: Descriptor | None = None
    groups: Mixture | None = None
    truth: PatchTruth | None = None
    scores: dict[str, float] = field(default_factory=dict)
    problem: str | None = None
    slow_seconds: float | None = None


class Session:
    """Works out states, and remembers. Several threads may share one."""

    def __init__(self, kept: dict[str, int] | None = None) -> None:
        self.cache = Cache({**KEPT, **(kept or {})})

    def look(self, state: ExploreState, patient: bool = False) -> Look:
        """All stages; clusters that take long only if `patient`, or if they are kept. Never a UserError."""
        found = Look(state)
        try:
            found = replace(found, micrograph=self.micrograph(state))
            patches = self.patches(state)
            found = replace(found, patches=patches, truth=self.truth(state))
            descriptor = self.descriptor(state)
            found = replace(found, descriptor=descriptor)
            seconds = seconds_for(len(patches), descriptor.values.shape[1], state.clusters)
            if seconds > SLOW_SECONDS and not patient and not self.has_clusters(state):
                return replace(found, slow_seconds=seconds)
            return replace(found, groups=self.clusters(state), scores=self.scores(state))
        except UserError as error:
            return replace(found, problem=" ".join(str(error).split()))

    def micrograph(self, state: ExploreState) -> Micrograph:
        """The image, all channels. UserError for a channel that it does not have."""
        key = self._source_key(state)
        found = self.cache.get("micrograph", key, lambda: micrograph_of(key[0]))
        if state.source.channel >= len(found.image):
            raise UserError(
                f"channel {state.source.channel} of {found.name}; accepted: 0 to {len(found.image) - 1}"
            )
        return found

    def columns(self, state: ExploreState) -> NDArray[np.float64]:
        """Centres (n, 2) of atomic columns."""
        from learn.micrographs.columns import find_columns

        micrograph, within = self.micrograph(state), state.patches.sublattice_nm
        key = (self._source_key(state), state.source.channel, within)

        def make() -> NDArray[np.float64]:
            found = find_columns(micrograph, brightest_within_nm=within, channel=state.source.channel)
            if len(found) == 0:
                raise UserError(
                    f"{micrograph.name}: no atomic column stands out; accepted: patches on a grid, an image "
                    "with contrast, or the right pixel size"
                )
            return found

        return self.cache.get("columns", key, make)

    def patches(self, state: ExploreState) -> PatchSet:
        """Windows of the channel; of all channels for a model that has several. UserError if none fits."""
        return self.cache.get("patches", self._patch_key(state), lambda: self._cut(state))

    def _cut(self, state: ExploreState) -> PatchSet:
        from learn.micrographs.windows import cut_patches, grid_centres

        micrograph, window = self.micrograph(state), self.window(state)
        if window[0] > micrograph.shape[0] or window[1] > micrograph.shape[1]:
            raise UserError(
                f"windows of {window[0]} x {window[1]} pixels are larger than {micrograph.name} of "
                f"{micrograph.shape[0]} x {micrograph.shape[1]} pixels"
            )
        if state.patches.centres == "grid":
            centres = grid_centres(micrograph.shape, state.patches.step_px, window)
        else:
            centres = self.columns(state)
        if not self._all_channels(state):
            channel = state.source.channel
            micrograph = replace(micrograph, image=micrograph.image[channel : channel + 1])
        values = len(centres) * window[0] * window[1] * len(micrograph.image)
        if values > LARGEST_VALUES:
            raise UserError(
                f"{len(centres)} patches of {window[0]} x {window[1]} pixels are {values:.1e} values; "
                f"accepted: up to {LARGEST_VALUES:.1e}: a larger step, or smaller windows"
            )
        on_grid = state.patches.centres == "grid"
        return cut_patches(micrograph, centres, window, state.patches.normalise, interpolate=not on_grid)

    def window(self, state: ExploreState) -> tuple[int, int]:
        """(h, w) in pixels: that of the model if there is one, else the state's."""
        if state.descriptor.kind == "model":
            return self.model(state).window
        return state.patches.window_px, state.patches.window_px

    def truth(self, state: ExploreState) -> PatchTruth | None:
        """What is true of each patch, where the image has a truth."""
        from learn.micrographs.patch_truth import patch_truth

        if self.micrograph(state).truth is None:
            return None
        return self.cache.get("truth", self._patch_key(state), lambda: patch_truth(self.patches(state)))

    def model(self, state: ExploreState) -> PatchVAE:
        """The autoencoder that the state names."""
        folder = state.descriptor.model
        key = (folder, stamp_of(f"{folder}/model.safetensors"))
        return self.cache.get("model", key, lambda: descriptors.load_model(folder))

    def descriptor(self, state: ExploreState) -> Descriptor:
        """The numbers of each patch. Principal components are found once for a set of patches."""
        patches, key = self.patches(state), self._patch_key(state)
        kind, count = state.descriptor.kind, state.descriptor.components
        if kind == "nmf":
            return self.cache.get("nmf", (key, count), lambda: descriptors.nmf_descriptor(patches, count))
        if kind == "model":
            vae, model_key = self.model(state), self._descriptor_key(state)
            return self.cache.get("latents", model_key, lambda: descriptors.latent_descriptor(patches, vae))
        components = self.cache.get("components", key, lambda: descriptors.components_of(patches))
        if kind == "raw":
            return descriptors.raw_descriptor(patches, components)
        return descriptors.first_components(components, count)

    def clusters(self, state: ExploreState, stop: Callable[[], bool] = lambda: False) -> Mixture:
        """The mixture. StoppedError soon after `stop` says that nobody waits for it."""
        values = self.descriptor(state).values
        return self.cache.get(
            "clusters", self._cluster_key(state), lambda: mixture(values, state.clusters, stop)
        )

    def has_clusters(self, state: ExploreState) -> bool:
        """Whether the mixture is kept."""
        return self.cache.has("clusters", self._cluster_key(state))

    def choices(self, state: ExploreState) -> list[tuple[int, float, float]]:
        """Number of clusters, BIC and ICL (per patch, the least is best) of the mixtures that are kept."""
        found = []
        for count in range(1, LARGEST_COUNT + 1):
            other = with_count(state, count)
            if self.has_clusters(other):
                groups = self.clusters(other)
                found.append((count, groups.bic_per_patch, groups.icl_per_patch))
        return found

    def scores(self, state: ExploreState) -> dict[str, float]:
        """Agreement of the clusters with the truth, by name; empty without one."""
        from learn.explore.agreement import agreement
        from learn.micrographs.neighbours import neighbour_graph

        truth = self.truth(state)
        if truth is None:
            return {}
        labels, patches, key = self.clusters(state).labels, self.patches(state), self._patch_key(state)
        graph = self.cache.get("neighbours", key, lambda: neighbour_graph(patches))
        return self.cache.get(
            "scores", self._cluster_key(state), lambda: agreement(labels, patches, truth, graph)
        )

    def _source_key(self, state: ExploreState) -> tuple[SourceState, Stamp]:
        source = state.source.model_copy(update={"channel": 0})
        if source.kind == "drawn":
            source = source.model_copy(update={"path": "", "sample": 0})
            return source, None
        source = source.model_copy(update={"drawn": "film", "size_px": 512, "seed": 0})
        place = source.path if source.kind == "image" else f"{source.path}/corpus.zarr"
        return source, stamp_of(place)

    def _all_channels(self, state: ExploreState) -> bool:
        return state.descriptor.kind == "model" and self.model(state).channels > 1

    def _patch_key(self, state: ExploreState) -> Key:
        patches = state.patches
        channel = -1 if self._all_channels(state) else state.source.channel
        if patches.centres == "grid":
            how: Key = (patches.step_px,)
        else:
            how = ("columns", patches.sublattice_nm, state.source.channel)
        return (self._source_key(state), channel, self.window(state), patches.normalise, how)

    def _descriptor_key(self, state: ExploreState) -> Key:
        kind, folder = state.descriptor.kind, state.descriptor.model
        what: Key = (kind,)
        if kind in ("pca", "nmf"):
            what = (kind, state.descriptor.components)
        elif kind == "model":
            what = (kind, folder, stamp_of(f"{folder}/model.safetensors"))
        return (self._patch_key(state), *what)

    def _cluster_key(self, state: ExploreState) -> Key:
        return (self._descriptor_key(state), state.clusters)


def with_count(state: ExploreState, count: int) -> ExploreState:
    """The state with another number of clusters."""
    clusters = ClusterState(**{**state.clusters.model_dump(), "count": count})
    return state.model_copy(update={"clusters": clusters})


@cache
def shared_session() -> Session:
    """The one of this process: pages that are open at once, or reloaded, share what it keeps."""
    return Session()

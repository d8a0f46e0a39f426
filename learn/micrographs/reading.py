"""Micrographs from corpora of scenes, with their truth, and from files of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from learn.images import READABLE, read_image, read_png
from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from simulate.realism import Realism

SUFFIXES = (".png", *READABLE)


def micrographs_at(
    sources: Sequence[Path],
    samples: Sequence[int] | None = None,
    pixel_size_nm: float | None = None,
    clean: bool = False,
) -> list[Micrograph]:
    """Micrographs of a corpus of scenes, of image files, or of the image files in folders.

    samples: of a corpus; None for all finished ones. pixel_size_nm: of files. UserError where there is none,
    or for an option that belongs to the other kind of source.
    """
    for source in sources:
        if not source.exists():
            raise UserError(f"{source}: no such file or folder; accepted: a corpus of scenes, or micrographs")
    if len(sources) == 1 and _is_corpus(sources[0]):
        if pixel_size_nm is not None:
            raise UserError(
                f"{sources[0]}: is a corpus, which states its pixel sizes; accepted: a pixel size of image "
                "files"
            )
        return corpus_micrographs(sources[0], samples, "clean" if clean else None)
    if samples is not None or clean:
        raise UserError("samples and clean images are those of a corpus of scenes; accepted: one corpus")
    files = [path for source in sources for path in _files(source)]
    return [read_micrograph(path, pixel_size_nm) for path in files]


def _is_corpus(path: Path) -> bool:
    from simulate.corpus.layout import store_path

    return store_path(path).exists()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{path} holds neither a corpus nor an image; accepted: {', '.join(SUFFIXES)}")
    return found


def corpus_micrographs(
    corpus: Corpus | str | Path,
    indices: Iterable[int] | None = None,
    realism: Realism | Literal["clean"] | None = None,
) -> list[Micrograph]:
    """Micrographs of finished samples of a corpus of scenes, with their truth; None takes all.

    `realism` is applied to the clean images: None for the recipe's own, seeded by the sample; "clean" for
    none. UserError for a corpus of another kind, or one with nothing finished.
    """
    from simulate.corpus.reader import Corpus

    if not isinstance(corpus, Corpus):
        corpus = Corpus.open(corpus)
    if corpus.kind != "scene":
        raise UserError(
            f"{corpus.path}: is a corpus of kind {corpus.kind}; accepted: one of scenes, or image files"
        )
    chosen = corpus.indices().tolist() if indices is None else [int(index) for index in indices]
    if not chosen:
        raise UserError(f"{corpus.path}: no finished sample; accepted: a corpus with some, or their numbers")
    name = corpus.path.parent.name
    found = []
    for index in chosen:
        if not 0 <= index < len(corpus):
            raise UserError(f"{corpus.path}: no sample {index}; accepted: 0 to {len(corpus) - 1}")
        image = corpus.clean(index) if realism == "clean" else corpus.noisy(index, realism)
        pixel = float(np.asarray(corpus.pixel_size[index]))
        found.append(Micrograph(image, pixel, f"{name} {index}", corpus.scene_truth(index)))
    return found


def read_micrograph(path: str | Path, pixel_size_nm: float | None = None) -> Micrograph:
    """The micrograph in a TIFF, NPY, PNG or, with the extra `io`, microscope file (dm3, dm4, emd, mrc).

    Pixels stay in the file's units; several images of one field become channels. `pixel_size_nm` overrides
    what the file says. UserError, one line, for a file that cannot be read or states no pixel size.
    """
    path = Path(path)
    if path.suffix.lower() == ".png":
        pixels, size = read_png(path)[None], pixel_size_nm
    elif path.suffix.lower() in READABLE:
        image = read_image(path, pixel_size_nm)
        pixels, size = image.pixels, image.pixel_size_nm
    else:
        raise UserError(f"{path}: unknown kind of file; accepted: {', '.join(SUFFIXES)}")
    if size is None:
        raise UserError(f"{path}: states no pixel size; give it in nm with --pixel-size-nm")
    return Micrograph(pixels, size, path.name)

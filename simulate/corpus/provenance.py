"""Provenance: what made a corpus, run by run.

Every run of `generate` that has something to do keeps a record in a file of its own: parts of a job array run
at the same time and would overwrite each other's lines in one. `provenance.json` gathers the records when the
corpus is complete. None of it names a machine or a path.
"""

from __future__ import annotations

import json
import platform
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulate.corpus import layout
from simulate.devices import CPU, facts
from stochgeom.files import write_text

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus


def _now() -> datetime:
    return datetime.now(UTC)


def _facts() -> dict[str, Any]:
    """What the bytes of a corpus depend on, besides its recipe."""
    return {
        "versions": layout.versions(),
        "processor": layout.processor(),
        "system": platform.system(),
    }


@dataclass
class Run:
    """One run of `generate` in `folder`. `workers` is None where a Dask scheduler of its own has them; then
    `device` is as it was asked for, else it is resolved.
    """

    folder: Path
    workers: int | None
    part: tuple[int, int] | None = None
    device: str = CPU
    started: datetime = field(default_factory=_now)
    samples: int = 0
    probed_aggregates: int = 0
    blocks: int = 0
    saved: bool = False
    _key: str = field(default_factory=lambda: uuid.uuid4().hex)
    _facts: dict[str, Any] = field(default_factory=_facts)

    def __post_init__(self) -> None:
        self._facts |= {"device": self.device} if self.workers is None else facts(self.device)

    def count(self, task: layout.Task, samples: int, samples_per_shard: int, blocks: int = 0) -> None:
        """Note that a task of a corpus of so many samples is done; one of blocks made so many of them."""
        kind, number = task
        if kind == "shard":
            self.samples += len(layout.shard_range(number, samples, samples_per_shard))
        elif kind == "validation":
            self.probed_aggregates += 1
        elif kind == "block":
            self.blocks += blocks
        else:
            return
        self.save(finished=False)

    def save(self, finished: bool) -> None:
        """Write the record; a run that is killed leaves one that says how far it came, and no end."""
        self.saved = True
        record = {
            "started": _text(self.started),
            "finished": _text(_now()) if finished else None,
            "samples_made": self.samples,
            "aggregates_probed": self.probed_aggregates,
            **({"blocks_made": self.blocks} if self.blocks else {}),
            "workers": self.workers,
            "part": None if self.part is None else f"{self.part[0]}/{self.part[1]}",
        } | self._facts
        path = self.folder / layout.RUNS / f"run-{self.started:%Y%m%dT%H%M%SZ}-{self._key}.json"
        path.parent.mkdir(exist_ok=True)
        write_text(path, json.dumps(record, indent=2) + "\n")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def devices(folder: Path) -> set[str]:
    """Devices that the runs in a corpus' folder computed on, by their records."""
    found = set()
    for path in layout.run_records(folder):
        try:
            found.add(str(json.loads(path.read_text(encoding="utf-8")).get("device", CPU)))
        except (OSError, ValueError, AttributeError):
            found.add("unknown")
    return found


def provenance(corpus: Corpus) -> dict[str, Any]:
    """Who made the corpus with what, and when, and how to make it again."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in layout.run_records(corpus.path.parent)]
    ends = [run["finished"] for run in runs if run["finished"] is not None]
    return {
        "recipe": corpus.recipe.name,
        "recipe_hash": corpus.attributes["recipe_hash"],
        "recipe_stored_in": f"{layout.STORE}/zarr.json, attributes.recipe, with the crystals that it names",
        "samples": len(corpus),
        "make_again": f"in the folder of this file: {command(corpus)}",
        "started": min((run["started"] for run in runs), default=None),
        "finished": max(ends, default=None),
        "runs": runs,
    }


def command(corpus: Corpus) -> str:
    """Command that makes the corpus again from the recipe stored in it, given in its own folder."""
    other = f" --samples {len(corpus)}" if len(corpus) != corpus.recipe.samples else ""
    return f"heterostem generate . --out ANOTHER_FOLDER{other}"

"""The documents' code runs: every python block of a page in order, in one namespace, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"^\s*(?:\$ )?heterostem ([^\n#]*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "__main__"}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{page.name} block {number}", "exec"), namespace)  # noqa: S102
    assert len(namespace) > 1


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "sh")], ids=lambda p: p.name)
def test_commands_of_shell_blocks_parse(page):
    from heterostem import build_app

    app = build_app()
    for block in blocks(page, "sh"):
        for line in COMMAND.findall(block.replace("\\\n", " ")):
            tokens = shlex.split(line)
            command, *_ = app.parse_args(tokens, exit_on_error=False, print_error=False)
            assert callable(command), line


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_descriptor_is_defined():
    from stochgeom import AggregateParameters, describe_projection, descriptor_names, sample_aggregate

    page = (ROOT / "docs" / "descriptors.md").read_text()
    aggregate = sample_aggregate(AggregateParameters(n_particles=5), np.random.default_rng(0))
    for name in (*descriptor_names(("S",)), *describe_projection(aggregate)):
        stem = re.sub("_(TiO2|WO3)$", "_S", name)
        assert f"`{stem}`" in page, f"docs/descriptors.md does not define {stem}"


def test_pictures_of_the_pages_are_small():
    for path in (ROOT / "docs" / "pictures").iterdir():
        assert path.stat().st_size < 400 * 1024, path.name

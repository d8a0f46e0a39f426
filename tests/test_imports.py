"""The import graph of docs/architecture.md: data moves one way, heavy libraries are imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEARN_MAY_READ = {"recipe", "corpus", "realism", "realise", "resources", "validation"}
LATE = {
    "stochgeom": {"abtem", "ase", "zarr", "torch", "dask", "distributed", "matplotlib"},
    "simulate": {"abtem", "ase", "torch", "dask", "distributed", "matplotlib"},
    "learn": {"abtem", "ase", "dask", "distributed"},
}
FORBIDDEN = {
    "stochgeom": {"abtem", "ase", "zarr", "torch", "simulate", "learn", "heterostem"},
    "simulate": {"torch", "learn", "heterostem"},
    "learn": {"abtem", "ase", "dask", "distributed", "heterostem"},
}


def imported_modules(path: Path) -> set[str]:
    """Absolute dotted names imported anywhere in a file, also inside functions."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *((node.module,) if node.module else ())))
            names |= {stem} | {f"{stem}.{alias.name}" for alias in node.names}
    return names


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_what_lies_downstream(package):
    for path in files(package):
        roots = {name.split(".")[0] for name in imported_modules(path)}
        assert not roots & FORBIDDEN[package], (
            f"{path.relative_to(ROOT)} imports {roots & FORBIDDEN[package]}"
        )


def test_learn_uses_of_simulate_only_what_reads_and_renders():
    for path in files("learn"):
        used = {name.split(".")[1] for name in imported_modules(path) if name.startswith("simulate.")}
        assert used <= LEARN_MAY_READ, (
            f"{path.relative_to(ROOT)} imports simulate.{sorted(used - LEARN_MAY_READ)}"
        )


@pytest.mark.parametrize("package", LATE)
def test_importing_a_package_and_its_commands_leaves_heavy_libraries_out(package):
    code = f"import sys, {package}, {package}.cli; print(*sorted(m.split('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(loaded) & LATE[package]


def test_every_module_imports_on_its_own():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in FORBIDDEN
        for path in files(package)
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code, *names], check=True)

"""Skips this folder where torch is not installed."""

import pytest

pytest.importorskip("torch")

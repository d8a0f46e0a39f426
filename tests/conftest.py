"""Hypothesis says the same on every run, so that a red suite can be repeated.

`HYPOTHESIS_PROFILE=explore` draws new examples; what it finds becomes an @example.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeat", derandomize=True, **QUIET)
settings.register_profile("explore", max_examples=1000, **QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

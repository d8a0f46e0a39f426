"""How the weight of a divergence goes with the share of a training that has passed."""

from __future__ import annotations

from typing import Literal

KLSchedule = Literal["constant", "linear", "cyclic", "capacity"]


def risen(share: float, rise: float) -> float:
    """A linear rise from 0 to 1 in the first `rise` of a training."""
    return min(1.0, share / rise) if rise > 0 else 1.0


def kl_weight(schedule: KLSchedule, share: float, rise: float, cycles: int) -> float:
    """Factor of the divergence: constant, rising once in the first `rise`, or in the first `rise` of each of
    `cycles` cycles (Fu et al., NAACL 2019). A schedule of capacities leaves it at 1.
    """
    if schedule == "linear":
        return risen(share, rise)
    if schedule == "cyclic":
        return risen(share * cycles % 1.0 if share < 1 else 1.0, rise)
    return 1.0


def capacity(share: float, rise: float, nats: float) -> float:
    """The divergence that a latent law may have, and should have: rising to `nats` (Burgess et al. 2018)."""
    return nats * risen(share, rise)

"""Laws of primary-particle radii (nm), each given by its inverse distribution function."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import ndtri

TRUNCATION = 3.0  # laws end this many (geometric) standard deviations of a normal law from their centre
_BELOW = 0.5 * math.erfc(TRUNCATION / math.sqrt(2.0))
_TABLE = (np.arange(8192) + 0.5) / 8192


class Frozen(BaseModel):
    """Base of parameters: immutable, nothing unknown, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RadiiBase(Frozen, ABC):
    """What every law of radii offers."""

    @abstractmethod
    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Radii (nm) below which shares `u`, in [0, 1), of the particles lie."""

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float64 radii in nm."""
        return self.quantile(rng.random(n))

    @property
    def mean_cube_nm3(self) -> float:
        """Mean of r³, to about 0.1 %: the mean over 8 192 equally likely radii."""
        return float((self._quantiles**3).mean())

    @cached_property
    def _quantiles(self) -> np.ndarray:
        return self.quantile(_TABLE)


class NumericRadii(RadiiBase):
    """A law whose median and spread are found from its quantiles."""

    @property
    def median_nm(self) -> float:
        """Median radius."""
        return float(self.quantile(np.array([0.5]))[0])

    @property
    def geometric_sd(self) -> float:
        """exp of the standard deviation of ln r."""
        return math.exp(float(np.log(self._quantiles).std()))


def _truncated(u: np.ndarray) -> np.ndarray:
    """Shares `u` of a law that is cut at both ends, where a normal law lies TRUNCATION deviations off."""
    return _BELOW + (1.0 - 2.0 * _BELOW) * u


class LognormalRadii(RadiiBase):
    """Lognormal radii: median in nm and geometric standard deviation, truncated at three of these."""

    law: Literal["lognormal"] = "lognormal"
    median_nm: float = Field(gt=0)
    geometric_sd: float = Field(default=1.0, ge=1, le=3)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        return self.median_nm * self.geometric_sd ** ndtri(_truncated(u))


class NormalRadii(RadiiBase):
    """Normal radii: mean and standard deviation in nm, truncated at three of them; positive there."""

    law: Literal["normal"] = "normal"
    mean_nm: float = Field(gt=0)
    sd_nm: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _stays_positive(self) -> NormalRadii:
        if TRUNCATION * self.sd_nm >= self.mean_nm:
            raise ValueError(
                f"sd_nm = {self.sd_nm:g} must be less than a third of mean_nm = {self.mean_nm:g}"
            )
        return self

    @property
    def median_nm(self) -> float:
        return self.mean_nm

    @property
    def geometric_sd(self) -> float:
        """That of the lognormal law with the same coefficient of variation."""
        return math.exp(math.sqrt(math.log1p((self.sd_nm / self.mean_nm) ** 2)))

    def quantile(self, u: np.ndarray) -> np.ndarray:
        return self.mean_nm + self.sd_nm * ndtri(_truncated(u))


class ConstantRadii(RadiiBase):
    """All particles of one radius (nm)."""

    law: Literal["constant"] = "constant"
    radius_nm: float = Field(gt=0)

    @property
    def median_nm(self) -> float:
        return self.radius_nm

    @property
    def geometric_sd(self) -> float:
        return 1.0

    def quantile(self, u: np.ndarray) -> np.ndarray:
        return np.full(np.shape(u), self.radius_nm)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float64 radii in nm; takes nothing from `rng`."""
        return np.full(n, self.radius_nm)


class HistogramRadii(NumericRadii):
    """Radii of a measured histogram: bins between `edges_nm`, weighted by `counts`, uniform within a bin."""

    law: Literal["histogram"] = "histogram"
    edges_nm: tuple[float, ...] = Field(min_length=2)
    counts: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_histogram(self) -> HistogramRadii:
        if len(self.edges_nm) != len(self.counts) + 1:
            raise ValueError(
                f"{len(self.counts)} counts need {len(self.counts) + 1} edges_nm, not {len(self.edges_nm)}"
            )
        if self.edges_nm[0] <= 0 or any(np.diff(self.edges_nm) <= 0):
            raise ValueError("edges_nm must be positive and ascending")
        if min(self.counts) < 0 or not 0 < sum(self.counts) < math.inf:
            raise ValueError("counts must not be negative, and their sum neither zero nor infinite")
        return self

    @classmethod
    def of_radii(cls, radii_nm: ArrayLike, bins: int | str = "auto") -> HistogramRadii:
        """The histogram of measured radii (n,); `bins` as in `numpy.histogram`."""
        counts, edges = np.histogram(np.asarray(radii_nm, float), bins=bins)
        return cls(edges_nm=tuple(edges.tolist()), counts=tuple(counts.astype(float).tolist()))

    def quantile(self, u: np.ndarray) -> np.ndarray:
        below = np.concatenate([[0.0], np.cumsum(self.counts)]) / sum(self.counts)
        # Empty bins make steps: of two edges with one share below them, those above u count.
        bin_of = np.clip(np.searchsorted(below, u, side="right") - 1, 0, len(self.counts) - 1)
        inside = (u - below[bin_of]) / (below[bin_of + 1] - below[bin_of])
        edges = np.array(self.edges_nm)
        return edges[bin_of] + inside * (edges[bin_of + 1] - edges[bin_of])


class ScipyRadii(NumericRadii):
    """Any continuous distribution of `scipy.stats`, by name, with its shape parameters as further keys.

    Radii are loc_nm + scale_nm x, x standard. The law is cut at the shares of a normal law beyond three
    deviations (0.13 % at each end), as the lognormal one is; what remains must be positive.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float]

    law: Literal["scipy"] = "scipy"
    distribution: str
    loc_nm: float = 0.0
    scale_nm: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _exists(self) -> ScipyRadii:
        family = _families().get(self.distribution)
        if family is None:
            from difflib import get_close_matches

            near = get_close_matches(self.distribution, _families(), 3) or ["lognorm", "gamma", "weibull_min"]
            raise ValueError(
                f"distribution {self.distribution!r} is no continuous distribution of scipy.stats; "
                f"accepted: {', '.join(near)}, ..."
            )
        shapes = [name.strip() for name in (family.shapes or "").split(",") if name.strip()]
        given = dict(self.__pydantic_extra__ or {})
        if set(given) != set(shapes):
            needs = f"the keys {', '.join(shapes)}" if shapes else "no further keys"
            raise ValueError(
                f"distribution {self.distribution!r} needs {needs}, not {', '.join(given) or 'none'}"
            )
        ends = self.quantile(np.array([0.0, 1.0]))
        if not (np.isfinite(ends).all() and ends[0] > 0):
            raise ValueError(
                f"radii of {self.distribution!r} from {ends[0]:g} to {ends[1]:g} nm must be positive"
            )
        return self

    def quantile(self, u: np.ndarray) -> np.ndarray:
        shapes = self.__pydantic_extra__ or {}
        frozen = _families()[self.distribution](**shapes, loc=self.loc_nm, scale=self.scale_nm)
        with np.errstate(all="ignore"):  # what is not finite is refused in one line
            return np.asarray(frozen.ppf(_truncated(np.asarray(u))), float)


@lru_cache(maxsize=1)
def _families() -> dict[str, Any]:
    """Continuous distributions of scipy.stats by name."""
    from scipy import stats

    return {name: family for name, family in vars(stats).items() if isinstance(family, stats.rv_continuous)}


RadiusLaw = Annotated[
    LognormalRadii | NormalRadii | ConstantRadii | HistogramRadii | ScipyRadii, Field(discriminator="law")
]

"""Settings of a clustering, checked where they are made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stochgeom.errors import UserError

Covariance = Literal["full", "tied", "diag", "spherical"]
Descriptor = Literal["raw", "pca", "nmf"]
COVARIANCES: tuple[Covariance, ...] = ("full", "tied", "diag", "spherical")


class ClusteringSettings(BaseModel):
    """How patches become clusters: descriptors of their pixels, then a mixture of Gaussians.

    The default is the reference case of the literature, five components of full covariance on raw pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clusters: int = Field(default=5, ge=1, description="components of the mixture")
    descriptor: Descriptor = Field(default="raw", description="pixels, or their principal or NMF components")
    components: int = Field(default=10, ge=1, description="of pca and nmf; raw pixels have none")
    covariance: Covariance = "full"
    window_px: int | None = Field(
        default=None, ge=1, description="side of the middle of each patch that is used; None: all of it"
    )
    regularisation: float = Field(
        default=1e-5, gt=0, description="added to all variances, as a share of the descriptors' mean variance"
    )
    restarts: int = Field(default=1, ge=1, description="fits from other k-means; the likeliest counts")
    iterations: int = Field(default=100, ge=1, description="of expectation-maximisation, at most")
    tolerance: float = Field(
        default=1e-5, gt=0, description="least gain of log-likelihood per patch and descriptor and iteration"
    )
    seed: int = Field(default=0, ge=0)

    def with_(self, **changes: Any) -> ClusteringSettings:
        """The same but for some of them. UserError, one line, for values that are not accepted."""
        return clustering_settings(**{**self.model_dump(), **changes})

    @property
    def words(self) -> str:
        """For a table: the descriptor, covariance and number of clusters."""
        described = {
            "raw": "GMM",
            "pca": f"PCA({self.components}) + GMM",
            "nmf": f"NMF({self.components}) + GMM",
        }
        return f"{described[self.descriptor]}, {self.covariance}, {self.clusters} clusters"


def clustering_settings(**options: Any) -> ClusteringSettings:
    """Settings from options. UserError, one line, that names the first option that is not accepted."""
    try:
        return ClusteringSettings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UserError(f"clustering: {name} = {first['input']!r}: {first['msg']}") from None

"""A physical bias for autoencoders of patches: walls between regions of a micrograph are short.

`LatentPenalty` is what a training adds to its loss, `ElboFactor` the published variant; docs/physical-bias.md
says what they do.
"""

from learn.patch_vae.bias.choose import physical_bias
from learn.patch_vae.bias.elbo_factor import ElboFactor
from learn.patch_vae.bias.penalty import LatentPenalty
from learn.patch_vae.bias.settings import BiasSettings

__all__ = ["BiasSettings", "ElboFactor", "LatentPenalty", "physical_bias"]

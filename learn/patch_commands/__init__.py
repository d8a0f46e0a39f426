"""What `train --task patch-vae`, `report` and `predict` do for autoencoders of patches."""

from .options import SHARED, PatchOptions, PatchVAEOptions
from .predict import predict_patches
from .report import report_patches
from .train import train_patches

__all__ = ["SHARED", "PatchOptions", "PatchVAEOptions", "predict_patches", "report_patches", "train_patches"]

"""Importing torchvision beside a CPU build of torch.

Where torchvision was built against CUDA but torch was not, its compiled operators are not loaded and
`import torchvision` fails, because it registers shape rules for operators that do not exist. Models and
transforms need none of these operators, so declaring their schemas first is enough.
"""

from __future__ import annotations

from types import ModuleType

from stochgeom.errors import require

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: list[object] = []  # torch's Library withdraws its schemas when it is collected


def import_torchvision() -> ModuleType:
    """torchvision, its missing operators declared first. MissingExtraError if it is not installed."""
    torch = require("torch", extra="learn")
    from torch import library as torch_library

    for schema in SCHEMAS:
        if not _exists(torch, schema.partition("(")[0]):
            operators = torch_library.Library("torchvision", "FRAGMENT")
            operators.define(schema)
            _declared.append(operators)
    torchvision = require("torchvision", extra="learn")
    require("torchvision.models", extra="learn")
    return torchvision


def _exists(torch: ModuleType, operator: str) -> bool:
    """Whether `torchvision::operator` has a schema."""
    try:
        return getattr(torch.ops.torchvision, operator) is not None
    except (AttributeError, RuntimeError):
        return False

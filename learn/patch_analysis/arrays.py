"""Types of the arrays of these analyses: numbers of patches, and patches (n, channel, h, w)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Array = NDArray[np.float64]

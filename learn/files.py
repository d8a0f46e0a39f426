"""Writing files whole or not at all."""

from stochgeom.files import write_text

__all__ = ["write_text"]

"""
Turn the picture of an ECG lead into a signal in millivolt.

>>> from ecgtrace import Digitizer
>>> digitizer = Digitizer.from_pretrained("baseline")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgtrace.api import Digitizer

__all__ = ["Digitizer"]


def __getattr__(name: str) -> Any:
    """Import on first use: most of the package is of no use to who only reads its types."""
    if name == "Digitizer":
        from ecgtrace.api import Digitizer

        return Digitizer
    raise AttributeError(f"module 'ecgtrace' has no attribute '{name}'")

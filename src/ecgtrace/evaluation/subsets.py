"""Which crops a table is about: those with ink of another lead in the box, and those without."""

from ecgtrace.errors import ConfigError
from ecgtrace.types import LeadCrop

OVERLAP = "overlap"
NON_OVERLAP = "non_overlap"
ALL = "all"
# Of a crop that could not be read, unless its source knows better.
UNKNOWN = "unknown"

SUBSETS = (NON_OVERLAP, OVERLAP, ALL)


def subset_of(crop: LeadCrop) -> str:
    """
    Return the subset of a crop.

    Any ink of another lead inside the box makes it `overlap`, whether the trace only enters or
    crosses the target; `LeadCrop.crossings` tells these apart. The paper's 100 crops "with
    verified overlap" were picked by eye, so theirs is the narrower choice.
    """
    return OVERLAP if crop.overlap_px > 0 else NON_OVERLAP


def keeps(wanted: str, subset: str) -> bool:
    """
    Tell whether a crop of `subset` belongs into an evaluation of `wanted`.

    A crop that could not be read (`unknown`) is always kept: it is a failure, not an absence.

    Raises
    ------
    ConfigError
        If `wanted` is not one of the subsets.
    """
    if wanted not in SUBSETS:
        raise ConfigError(f"there is no subset '{wanted}'; choose one of {', '.join(SUBSETS)}")
    return wanted == ALL or subset in (wanted, UNKNOWN)

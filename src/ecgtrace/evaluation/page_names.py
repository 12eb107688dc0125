"""
Is a lead of a recording the lead that its name says? Decided by its signal alone.

Names on the page are one thing, ink another: a reader may find all names and lay them on the wrong traces.
So every lead is held against all truths of its page.
"""

from collections.abc import Mapping

import numpy as np

from ecgtrace.evaluation.align import AlignOptions, align
from ecgtrace.evaluation.metrics import pearson_r
from ecgtrace.evaluation.page_sample import Shown
from ecgtrace.types import LeadSignal

# By the rule, not measured: leads of one heart are alike (II and aVF often correlate at 0.98), so another
# lead must fit well, and leave less than half of the variance that the own one leaves unexplained.
_FITS_R = 0.9
_HALF = 0.5
_SHARE = 0.8  # of the samples of a lead that a truth must have for the two to be compared
_COMPARED_HZ = 125.0  # keeps the QRS; twelve leads are held against twelve
_LAG = AlignOptions(max_lag_s=0.2)


def rather(name: str, signal: LeadSignal, truths: Mapping[str, Shown]) -> str:
    """
    Return the lead that a signal shows instead of the one that it is called.

    It is held against each truth at the time that its axis says, and as if both began at once: so a lead
    whose time is wrong, but not its name, is none that is called wrongly. A lead that is read badly fits
    none, and is none either.

    Parameters
    ----------
    name : str
        What it is called; a name that `truths` lacks is right for none.
    signal : LeadSignal
    truths : mapping of str to Shown

    Returns
    -------
    str
        Empty where the name is right, or where no truth fits well.
    """
    mine = _thinned(Shown.of(signal.amplitude_mv, signal.fs_hz))
    fits = {other: _fit(mine, _thinned(truth)) for other, truth in truths.items()}
    own = fits.pop(name, 0.0)
    if not fits:
        return ""
    best = max(fits, key=lambda other: fits[other])
    better = fits[best] >= _FITS_R and 1 - fits[best] < _HALF * (1 - own)
    return best if better else ""


def _fit(mine: Shown, truth: Shown) -> float:
    """Return Pearson's r with the lag that fits best, at the same times or from both beginnings."""
    return max(_fit_at(mine, truth, mine.start_s - truth.start_s), _fit_at(mine, truth, 0.0))


def _fit_at(mine: Shown, truth: Shown, start_s: float) -> float:
    theirs = np.where(truth.known, truth.signal, np.nan)
    found = align(theirs, truth.fs_hz, mine.signal, mine.fs_hz, _LAG, start_s)
    shared = found.covered & mine.known
    if shared.sum() < _SHARE * mine.known.sum():
        return 0.0
    return pearson_r(mine.signal[shared], found.signal[shared])


def _thinned(shown: Shown) -> Shown:
    """Take every k-th sample, so that about 125 per second are left."""
    step = max(int(shown.fs_hz / _COMPARED_HZ), 1)
    return Shown(shown.signal[::step], shown.known[::step], shown.start_s, shown.fs_hz / step)

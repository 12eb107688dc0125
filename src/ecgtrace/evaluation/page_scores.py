"""
How far the recording of a page is from its truth, lead by lead.

`score_page` is the work. The time axis of the page is part of what is measured: `snr_as_read_db` and
`time0_error_ms` have no lag removed, the other metrics remove one as those of crops do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, align, sample_at
from ecgtrace.evaluation.page_names import rather
from ecgtrace.evaluation.page_sample import PageSample, Shown
from ecgtrace.evaluation.page_snr import Power, challenge_snr_db, kaggle_power
from ecgtrace.recording import RecordedLead, Recording
from ecgtrace.types import FloatArray

READ, MISSING, EXTRA = "read", "missing", "extra"

# The error of time 0 is looked for this far: less than half of the time between beats at 70 per minute, so
# that the next beat is not taken for this one.
TIME0_ALIGN = AlignOptions(max_lag_s=0.4, subsample=True)


@dataclass(frozen=True)
class LeadScore:
    """
    A lead of a page.

    A lead of the truth that was not read, or of which no sample was, counts as `metrics.FAILED_R` and
    `FAILED_SNR_DB`, in the Challenge's way 0 dB. An extra lead, which the page does not show, has no
    metrics.

    Attributes
    ----------
    lead : str
        Of the truth; of an extra lead its own name.
    found : {"read", "missing", "extra"}
    rather : str
        The lead of the truth that it is instead (`page_names.rather`); empty where the name is right.
    r, snr_db, rmse_mv : float or None
        As `metrics` has them, over what the page shows of the lead, the lag removed.
    snr_fine_db : float or None
        As `snr_db`, the lag removed to a fraction of a sample: at 500 Hz half a sample that is left costs
        a steep QRS complex all beyond 25 dB, whatever its form.
    snr_as_read_db : float or None
        The same with no lag removed.
    challenge_db : float or None
        `page_snr.challenge_snr_db`.
    time0_error_ms : float or None
        How late the lead stands on the page's axis. None where it was not read.
    coverage : float or None
        Share of the truth's samples that were digitized.
    excess : float or None
        Share of the digitized samples that lie where the page does not show the lead.
    """

    lead: str
    found: str
    rather: str = ""
    r: float | None = None
    snr_db: float | None = None
    rmse_mv: float | None = None
    snr_fine_db: float | None = None
    snr_as_read_db: float | None = None
    challenge_db: float | None = None
    time0_error_ms: float | None = None
    coverage: float | None = None
    excess: float | None = None


@dataclass(frozen=True)
class PageScore:
    """
    A page.

    Attributes
    ----------
    leads : tuple of LeadScore
        Those of the truth in its order, then extra ones.
    kaggle_ratio : float
        Signal over noise of all leads together by Kaggle's rules, linear, not capped.
    """

    leads: tuple[LeadScore, ...]
    kaggle_ratio: float

    @property
    def of_truth(self) -> tuple[LeadScore, ...]:
        """The leads that the page shows."""
        return tuple(lead for lead in self.leads if lead.found != EXTRA)

    @property
    def snr_db(self) -> float:
        """Mean over the leads that the page shows, those that were not read as 0 dB."""
        return float(np.mean([lead.snr_db for lead in self.of_truth]))

    @property
    def n_wrong(self) -> int:
        """How many leads of the recording are another lead than their name says."""
        return sum(bool(lead.rather) for lead in self.leads)

    @property
    def names_ok(self) -> bool:
        """Whether every lead was read under its own name, and none besides."""
        return not self.n_wrong and all(lead.found == READ for lead in self.leads)


def score_page(
    sample: PageSample, recording: Recording | None, options: AlignOptions = DEFAULT_ALIGN
) -> PageScore:
    """
    Compare what was read of a page with its truth.

    Parameters
    ----------
    sample : PageSample
    recording : Recording or None
        None, or one without leads: nothing was read.
    options : AlignOptions, optional
        The lag that is removed before leads are compared.

    Returns
    -------
    PageScore
    """
    read = _by_truth(sample, recording)
    truths = {name: sample.truth(name) for name in sample.names}
    scores, power = [], Power(0.0, 0.0)
    for name, truth in truths.items():
        lead = read.pop(name, None)
        power += kaggle_power(truth.signal, _at(lead, truth), sample.fs_hz)
        if lead is None:
            scores.append(_missing(name, truth))
        else:
            scores.append(_scored(name, lead, sample, truth, truths, options))
    extra = [
        LeadScore(name, EXTRA, "" if name.startswith("unknown") else rather(name, lead.signal, truths))
        for name, lead in read.items()
    ]
    return PageScore((*scores, *extra), power.ratio)


def _by_truth(sample: PageSample, recording: Recording | None) -> dict[str, RecordedLead]:
    """Return the leads of a recording by the name of their truth; on a page without names by the best fit."""
    leads = {} if recording is None else {lead.name: lead for lead in recording.leads}
    if sample.names_printed:
        return leads
    truths = {name: sample.truth(name) for name in sample.names if name not in leads}
    for name in [name for name in leads if name.startswith("unknown")]:
        own = rather("", leads[name].signal, truths)
        if own:
            leads[own] = leads.pop(name)
            del truths[own]
    return leads


def _scored(
    name: str,
    lead: RecordedLead,
    sample: PageSample,
    truth: Shown,
    truths: Mapping[str, Shown],
    options: AlignOptions,
) -> LeadScore:
    signal, known = lead.signal, truth.known
    score = replace(
        _missing(name, truth),
        found=READ,
        rather=rather(name, signal, truths),
        challenge_db=challenge_snr_db(*_on_one_axis(lead, sample, name), sample.fs_hz),
        excess=_excess(lead, truth),
    )
    found = align(signal.amplitude_mv, signal.fs_hz, truth.signal, truth.fs_hz, options, truth.start_s)
    if not found.covered[known].any():
        return score
    wanted, ours = truth.signal[known], found.signal[known]
    late = align(signal.amplitude_mv, signal.fs_hz, truth.signal, truth.fs_hz, TIME0_ALIGN, truth.start_s)
    fine = align(
        signal.amplitude_mv,
        signal.fs_hz,
        truth.signal,
        truth.fs_hz,
        replace(options, subsample=True),
        truth.start_s,
    )
    as_read, _ = sample_at(signal.amplitude_mv, signal.fs_hz, _times(truth))
    return replace(
        score,
        r=metrics.pearson_r(wanted, ours),
        snr_db=metrics.snr_db(wanted, ours),
        rmse_mv=float(np.sqrt(metrics.mse_mv2(wanted, ours))),
        snr_fine_db=metrics.snr_db(wanted, fine.signal[known]),
        snr_as_read_db=metrics.snr_db(wanted, as_read[known]),
        time0_error_ms=1000 * late.lag_s,
        coverage=float(found.covered[known].mean()),
    )


def _missing(name: str, truth: Shown) -> LeadScore:
    """Return what a lead that was not read counts."""
    return LeadScore(
        name,
        MISSING,
        r=metrics.FAILED_R,
        snr_db=metrics.FAILED_SNR_DB,
        rmse_mv=float(np.sqrt(metrics.failed_mse_mv2(truth.signal[truth.known]))),
        snr_fine_db=metrics.FAILED_SNR_DB,
        snr_as_read_db=metrics.FAILED_SNR_DB,
        challenge_db=metrics.FAILED_SNR_DB,
        coverage=0.0,
    )


def _times(truth: Shown) -> FloatArray:
    return truth.start_s + np.arange(len(truth.signal)) / truth.fs_hz


def _at(lead: RecordedLead | None, truth: Shown) -> FloatArray:
    """Return a lead at the times of its truth, NaN where it has no sample."""
    if lead is None:
        return np.full(len(truth.signal), np.nan)
    values, known = sample_at(lead.signal.amplitude_mv, lead.signal.fs_hz, _times(truth))
    return np.where(known, values, np.nan)


def _on_one_axis(lead: RecordedLead, sample: PageSample, name: str) -> tuple[FloatArray, FloatArray]:
    """Return truth and lead over the whole page, as long as the longer of the two, NaN where unknown."""
    truth = sample.signals[sample.names.index(name)]
    duration_s = len(lead.signal.amplitude_mv) / lead.signal.fs_hz
    n = max(len(truth), int(np.ceil(duration_s * sample.fs_hz)))
    values, known = sample_at(lead.signal.amplitude_mv, lead.signal.fs_hz, np.arange(n) / sample.fs_hz)
    padded = np.full(n, np.nan)
    padded[: len(truth)] = truth
    return padded, np.where(known, values, np.nan)


def _excess(lead: RecordedLead, truth: Shown) -> float:
    times = lead.signal.time_s[np.isfinite(lead.signal.amplitude_mv)]
    half = 0.5 / truth.fs_hz + 0.5 / lead.signal.fs_hz
    end_s = truth.start_s + (len(truth.signal) - 1) / truth.fs_hz
    return float(np.mean((times < truth.start_s - half) | (times > end_s + half)))

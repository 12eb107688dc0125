"""Ratios of two competitions by hand, and what a page scores whose errors are planted."""

import numpy as np
import pytest
from planted_pages import FS_HZ, LEADS, as_3x4, heart, recording, sample, truth_of

from ecgtrace.evaluation.page_scores import EXTRA, MISSING, READ, score_page
from ecgtrace.evaluation.page_snr import (
    KAGGLE_CAP,
    Power,
    challenge_snr_db,
    kaggle_power,
    kaggle_score_db,
)


def late(values, samples):
    moved = np.full_like(values, np.nan)
    if samples >= 0:
        moved[samples:] = values[: len(values) - samples]
    else:
        moved[:samples] = values[-samples:]
    return moved


def test_kaggle_by_hand_without_a_lag():
    """Errors 0.8 at one of 3: the offset takes a third, so 0.8² (1 - 1/3) is left of it."""
    truth = np.array([0.1, 0.3, 0.4])
    power = kaggle_power(truth, truth + np.array([0.8, 0.0, 0.0]), fs_hz=1)  # int(0.2 s * 1 Hz): no lag
    assert power.signal == pytest.approx(0.26)
    assert power.noise == pytest.approx(0.64 * 2 / 3)


def test_kaggle_shifts_by_the_whole_lag_and_pays_for_what_is_vacated():
    """The example of the competition's code: two samples late are two samples lost at the end, both 0."""
    truth = np.array([0, 0, 1, 2, 1, 0.0, 0.0])
    early = np.array([1, 2, 1, 0, 0, 0.0, 0.0])
    assert kaggle_power(truth, early, fs_hz=50).noise == pytest.approx(0.0)
    costly = truth + 3  # what is lost is replaced by 0, where the truth is 3
    assert kaggle_power(costly, early, fs_hz=50).noise == pytest.approx(2 * 9)
    near = kaggle_power(truth, early, fs_hz=5)  # one sample at most
    assert near.noise > 0.5


def test_kaggle_takes_an_offset_away_and_does_not_centre_the_truth():
    truth = np.array([5.0, 6.0, 5.0, 4.0])
    assert kaggle_power(truth, truth - 100, 1).noise == pytest.approx(0.0, abs=1e-12)
    assert kaggle_power(truth, truth, 1).signal == pytest.approx(25 + 36 + 25 + 16)


def test_kaggle_fills_gaps_as_a_submission_must():
    truth = np.array([0.0, 1.0, 2.0, 1.0, 0.0])
    gap = np.array([0.0, np.nan, 2.0, 1.0, 0.0])
    assert kaggle_power(truth, gap, 1).noise == pytest.approx(0.0, abs=1e-12)


def test_kaggle_score_caps_each_image_and_means_ratios():
    assert kaggle_score_db(np.array([1e6])) == pytest.approx(25.8433, abs=1e-4)
    assert kaggle_score_db(np.array([1e6, 10.0])) == pytest.approx(10 * np.log10((384 + 10) / 2))
    assert kaggle_score_db(np.array([0.0])) == -KAGGLE_CAP
    assert (Power(2.0, 1.0) + Power(4.0, 1.0)).ratio == 3.0


def test_challenge_by_hand():
    """Twice the amplitude: noise as strong as the signal."""
    truth = np.array([0.0, 1.0, 0.0, -1.0] * 50)
    assert challenge_snr_db(truth, 2 * truth, FS_HZ) == pytest.approx(0.0, abs=0.1)
    assert challenge_snr_db(truth, truth, FS_HZ) == 100.0
    assert challenge_snr_db(truth, np.full(200, np.nan), FS_HZ) == 0.0


def test_challenge_removes_lag_and_offset_within_its_limits():
    truth = heart()[1]
    moved = late(truth, 16) + 0.5
    quarter = moved.copy()
    quarter[: len(truth) // 4] = np.nan
    whole = challenge_snr_db(truth, moved, FS_HZ)
    # A level is a 255th of the range: what is left of the offset is half of one.
    assert whole > 30
    assert challenge_snr_db(truth, quarter, FS_HZ) == pytest.approx(0.75 * whole, rel=0.1)
    assert challenge_snr_db(truth, late(truth, 160), FS_HZ) < 5  # 0.8 s: not removed
    assert challenge_snr_db(truth, truth + 1.5, FS_HZ) < 5


def test_a_perfect_recording():
    page = sample()
    score = score_page(page, recording(truth_of(page)))
    assert score.names_ok and score.n_wrong == 0 and score.snr_db == 100
    assert all(lead.found == READ and lead.r == pytest.approx(1) for lead in score.leads)
    assert all(abs(lead.time0_error_ms) < 1e-6 and lead.coverage == 1 for lead in score.leads)
    assert all(lead.excess == 0 and lead.challenge_db == 100 for lead in score.leads)
    assert score.kaggle_ratio > 1e9


def test_another_rate_costs_little_and_moves_nothing():
    page = sample()
    half = {name: row[::2] for name, row in truth_of(page).items()}
    score = score_page(page, recording(half, FS_HZ / 2))
    assert score.snr_db > 30 and score.names_ok
    assert max(abs(lead.time0_error_ms) for lead in score.leads) < 1


@pytest.mark.parametrize("samples", [6, -6])
def test_a_late_axis_is_told_and_hides_from_the_aligned_snr(samples):
    page = sample()
    score = score_page(page, recording({k: late(v, samples) for k, v in truth_of(page).items()}))
    v2 = score.leads[LEADS.index("V2")]
    assert v2.time0_error_ms == pytest.approx(1000 * samples / FS_HZ, abs=0.3)
    assert v2.snr_db == pytest.approx(100) or v2.coverage < 1
    assert v2.snr_as_read_db < 10 and score.n_wrong == 0


def test_half_a_sample_hides_from_the_finely_aligned_snr():
    """Whole samples leave it. Read half a sample late: the mean of two samples, a little rounder."""
    page = sample()
    moved = {k: (row + np.concatenate([row[:1], row[:-1]])) / 2 for k, row in truth_of(page).items()}
    v2 = score_page(page, recording(moved)).leads[LEADS.index("V2")]
    assert v2.time0_error_ms == pytest.approx(500 / FS_HZ, abs=0.1)
    assert v2.snr_fine_db > v2.snr_db + 5


def test_a_wrong_gain_is_its_noise():
    """1.1 times the signal leaves a tenth of it: 20 dB, and r stays 1."""
    page = sample()
    score = score_page(page, recording({k: 1.1 * v for k, v in truth_of(page).items()}))
    assert all(lead.snr_db == pytest.approx(20, abs=0.01) for lead in score.leads)
    assert all(lead.r == pytest.approx(1) for lead in score.leads)
    truth = page.truth("I").signal
    assert score.leads[0].rmse_mv == pytest.approx(0.1 * np.std(truth - np.median(truth), mean=0.0), rel=1e-6)


def test_swapped_leads_are_under_wrong_names():
    """V1 and V2 stand in one column, aVR and V4 in different ones; each says whose ink it has."""
    page = sample()
    leads = truth_of(page)
    leads["V1"], leads["V2"] = leads["V2"], leads["V1"]
    leads["aVR"], leads["V4"] = leads["V4"], leads["aVR"]
    score = score_page(page, recording(leads))
    rather = {lead.lead: lead.rather for lead in score.leads if lead.rather}
    assert rather == {"V1": "V2", "V2": "V1", "aVR": "V4", "V4": "aVR"}
    assert score.n_wrong == 4 and not score.names_ok
    assert score.leads[3].snr_db == 0 and score.leads[3].coverage == 0


def test_a_column_under_other_names_at_its_own_time_is_found():
    """The ink of aVR, said to be I and laid at I's time: no sample is where aVR's truth is."""
    page = sample()
    leads = truth_of(page)
    leads["I"] = late(leads["aVR"], -round(2.5 * FS_HZ))
    score = score_page(page, recording(leads))
    assert score.leads[0].rather == "aVR" and score.n_wrong == 1


def test_an_upside_down_lead_is_not_called_by_another_name_without_cause():
    page = sample()
    leads = truth_of(page)
    leads["aVR"] = -leads["aVR"]
    score = score_page(page, recording(leads))
    assert score.leads[3].r < 0.5 and score.leads[3].snr_db < 2
    assert score.leads[3].rather == ""  # no planted lead is aVR upside down


def test_noise_is_no_wrong_name():
    page = sample()
    rng = np.random.default_rng(1)
    spoilt = {k: v + rng.normal(0, 0.5, len(v)) for k, v in truth_of(page).items()}
    score = score_page(page, recording(spoilt))
    assert score.n_wrong == 0 and score.snr_db < 10


def test_missing_and_extra_leads():
    page = sample()
    leads = truth_of(page)
    del leads["V6"]
    leads["unknown_1"] = page.signals[11]
    leads["V7"] = page.signals[10]  # the ink of V5 under a name that the page does not show
    score = score_page(page, recording(leads))
    by_name = {lead.lead: lead for lead in score.leads}
    assert (by_name["V6"].found, by_name["V6"].snr_db, by_name["V6"].challenge_db) == (MISSING, 0, 0)
    assert by_name["V6"].r == 0 and by_name["V6"].time0_error_ms is None
    assert by_name["unknown_1"].found == EXTRA and by_name["unknown_1"].rather == ""
    assert by_name["V7"].found == EXTRA and by_name["V7"].rather == "V5"
    assert score.snr_db == pytest.approx(100 * 11 / 12) and not score.names_ok


def test_gaps_are_bridged_and_told():
    page = sample()
    leads = truth_of(page)
    leads["II"][400:800] = np.nan
    score = score_page(page, recording(leads))
    assert score.leads[1].coverage == pytest.approx(0.8)
    assert score.leads[1].snr_db < 20
    assert score.leads[1].challenge_db == pytest.approx(80)


def test_gaps_of_the_truth_are_no_errors():
    signals = as_3x4(heart())
    signals[1, 400:800] = np.nan
    page = sample(signals=signals)
    score = score_page(page, recording(truth_of(page) | {"II": heart()[1]}))
    assert score.leads[1].snr_db == pytest.approx(100) and score.leads[1].coverage == 1


def test_samples_where_the_page_shows_nothing_are_told():
    page = sample()
    leads = truth_of(page)
    leads["aVR"] = heart()[3]
    score = score_page(page, recording(leads))
    assert score.leads[3].excess == pytest.approx(0.75, abs=0.002) and score.leads[3].snr_db == 100


def test_nothing_read_counts_as_nothing():
    score = score_page(sample(), None)
    assert {lead.found for lead in score.leads} == {MISSING}
    assert score.snr_db == 0 and not score.names_ok
    # Each lead's mean is given away by Kaggle's rules.
    assert 1 <= score.kaggle_ratio < 1.6


def test_leads_of_a_page_without_names_are_scored_by_what_they_show():
    page = sample(names_printed=False)
    unknown = {f"unknown_{number}": row for number, row in enumerate(page.signals, 1)}
    score = score_page(page, recording(unknown))
    assert score.snr_db == 100 and score.names_ok
    named = sample()
    assert score_page(named, recording(unknown)).snr_db == 0

"""Worst cases: planted wrong paths are found where they were planted, and crops come back as they were."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_by_hand import PX_PER_MM, ColumnDigitizer, Crashing, HandSource
from hydra import compose, initialize_config_dir

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.run import evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.reporting.diagnosis import Diagnosis, column_kinds, diagnose
from ecgtrace.reporting.worst_case_figures import record_figure, worst_case_figure
from ecgtrace.reporting.worst_cases import (
    Evaluation,
    WorstCase,
    as_table,
    look_again,
    rank_records,
    reopen,
    worst_crops,
)
from ecgtrace.studies.evaluate import main
from ecgtrace.types import GridScale, LeadCrop, LeadSignal

ROOT = Path(__file__).resolve().parents[1]
TARGET, OTHER = 20, 50
FINE = Diagnosis(
    on_target=1.0,
    on_other=0.0,
    off_ink=0.0,
    missing=0.0,
    gain=1.0,
    lag_s=0.0,
    r=0.99,
    mse_mv2=0.001,
    grid_error=0.0,
    range_mv=1.0,
    range_kept=1.0,
    px_mv=0.01,
)


def two_lines():
    """Target in row 20, another lead in row 50, columns 5 to 104 of 110; a wave as truth."""
    mask = np.zeros((70, 110), np.uint8)
    other = np.zeros_like(mask)
    mask[TARGET, 5:105] = 1
    other[OTHER, 5:105] = 1
    image = np.full((70, 110, 3), 255, np.uint8)
    image[(mask | other) > 0] = 0
    return LeadCrop(
        image=image,
        mask=mask,
        signal=np.sin(np.arange(100) / 8),
        fs_hz=100.0,
        crop_id="lines",
        record_id="00001",
        lead="II",
        layout="3x4",
        px_per_mm=PX_PER_MM,
        other_mask=other,
        polyline=np.stack([np.arange(5.0, 105.0), np.full(100, float(TARGET))], axis=1),
    )


def digitized_as(amplitude_mv, row_px, fs_hz=100.0, px_per_mm=PX_PER_MM):
    return LeadSignal(
        amplitude_mv=amplitude_mv,
        fs_hz=fs_hz,
        confidence=np.ones(len(amplitude_mv)),
        scale=GridScale(px_per_mm, PX_PER_MM, 1.0),
        row_px=row_px,
    )


def planted_path():
    """60 columns on the target, 20 on the other lead, 10 between the two, 10 without."""
    rows = np.full(110, float(TARGET))
    rows[65:85] = OTHER
    rows[85:95] = (TARGET + OTHER) / 2
    rows[95:105] = np.nan
    return rows


def rows_of(*crops):
    """(record, crop, digitizer, r, mse, status); status "unread" leaves out what an unread crop lacks."""
    return pd.DataFrame(
        [
            {
                "record_id": record,
                "crop_id": crop,
                "digitizer": digitizer,
                "r": r,
                "mse_mv2": mse,
                "status": "failed" if status == "unread" else status,
                "n_samples": np.nan if status == "unread" else 250.0,
                "subset": "overlap",
            }
            for record, crop, digitizer, r, mse, status in crops
        ]
    )


ROWS = rows_of(
    ("00007", "7a", "proposed", 0.99, 0.001, "ok"),
    ("00007", "7b", "proposed", 0.60, 0.004, "ok"),
    ("00012", "12a", "proposed", 0.70, 0.100, "ok"),
    ("00012", "12b", "proposed", 0.80, 0.002, "ok"),
    ("00012", "12c", "proposed", 0.00, 0.020, "failed"),
    ("00012", "12c", "baseline", 0.10, 0.900, "ok"),
    ("00099", "99a", "proposed", 0.95, 0.001, "ok"),
    ("", "broken", "proposed", 0.0, np.nan, "unread"),
)


# Which -----------------------------------------------------------------------------------------


def test_records_are_summed_up_by_hand():
    ranked = rank_records(ROWS)
    assert list(ranked.index) == ["00012", "00007", "00099"]
    worst = ranked.loc["00012"]
    assert (worst["crops"], worst["failed"], worst["worst_crop"]) == (3, 1, "12c")
    assert worst["mean_r"] == pytest.approx(0.5)
    assert worst["worst_mse_mv2"] == 0.1 and worst["mean_mse_mv2"] == pytest.approx(0.122 / 3)
    assert ranked.loc["00007", "worst_crop"] == "7b" and ranked.loc["00007", "worst_r"] == 0.6


def test_the_order_of_rows_does_not_matter():
    pd.testing.assert_frame_equal(rank_records(ROWS), rank_records(ROWS.sample(frac=1, random_state=3)))


def test_another_order_of_records():
    rows = rows_of(
        ("once", "a", "proposed", 0.5, 0.3, "ok"),
        ("once", "b", "proposed", 0.99, 0.0, "ok"),
        ("always", "c", "proposed", 0.7, 0.2, "ok"),
        ("always", "d", "proposed", 0.7, 0.2, "ok"),
    )
    orders = {by: rank_records(rows, by=by).index[0] for by in ("worst_r", "mean_r")}
    assert orders == {"worst_r": "once", "mean_r": "always"}
    orders = {by: rank_records(rows, by=by).index[0] for by in ("worst_mse_mv2", "mean_mse_mv2")}
    assert orders == {"worst_mse_mv2": "once", "mean_mse_mv2": "always"}
    with pytest.raises(ConfigError, match="by=best is unknown; choose one of worst_r, mean_r"):
        rank_records(ROWS, by="best")


def test_the_worst_crops_of_the_worst_records():
    assert list(worst_crops(ROWS, n_records=2, per_record=2)["crop_id"]) == ["12c", "12a", "7b", "7a"]
    assert list(worst_crops(ROWS, n_records=9, per_record=1)["crop_id"]) == ["12c", "7b", "99a"]


def test_a_digitizer_that_is_not_there():
    with pytest.raises(ConfigError, match="no rows of digitizer 'ceiling'; digitizers there: baseline, prop"):
        worst_crops(ROWS, "ceiling")


def test_a_mark_for_every_crop_and_a_line_for_every_record():
    axis = record_figure(ROWS, n_records=2).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["00012", "00007"]
    assert axis.yaxis_inverted(), "the worst on top"
    marks = next(line for line in axis.lines if line.get_label() == "overlap")
    assert sorted(zip(marks.get_ydata(), marks.get_xdata(), strict=True)) == [
        (0, 0.0),
        (0, 0.7),
        (0, 0.8),
        (1, 0.6),
        (1, 0.99),
    ]


# Why -------------------------------------------------------------------------------------------


def test_a_planted_path_is_told_apart_column_by_column():
    kinds = column_kinds(two_lines(), planted_path())
    assert list(kinds[5:65]) == ["on"] * 60
    assert list(kinds[65:85]) == ["other"] * 20
    assert list(kinds[85:95]) == ["off"] * 10
    assert list(kinds[95:105]) == ["missing"] * 10
    assert set(kinds[:5]) | set(kinds[105:]) == {""}


def test_a_stroke_has_edges():
    """Half a stroke beside the ink is on it: 1 px at 4 px per mm, 3 px at 20."""
    rows = np.full(110, TARGET + 1.0)
    assert (column_kinds(two_lines(), rows)[5:105] == "on").all()
    assert (column_kinds(two_lines(), rows + 0.5)[5:105] == "off").all()
    assert (column_kinds(replace(two_lines(), px_per_mm=20.0), rows + 1.5)[5:105] == "on").all()


def test_inside_a_steep_wave_is_on_target_though_another_lead_passes():
    """The ink of a column is its whole stroke: a path in the middle of it is right."""
    crop = two_lines()
    mask = crop.mask.copy()
    mask[[10, 60], 30] = 1  # the upper and the lower end of a steep wave, the other lead between
    rows = np.full(110, float(OTHER))
    assert column_kinds(replace(crop, mask=mask), rows)[30] == "on"


def test_without_the_ink_of_others_a_wrong_path_is_off():
    kinds = column_kinds(replace(two_lines(), other_mask=None), planted_path())
    assert list(kinds[65:95]) == ["off"] * 30


def test_a_path_of_another_picture_is_refused():
    with pytest.raises(DataError, match="columns on a picture of 110"):
        column_kinds(two_lines(), np.zeros(109))


def test_planted_shares_gain_and_lag():
    crop = two_lines()
    late = 0.8 * np.concatenate([np.full(2, crop.signal[0]), crop.signal[:-2]])
    found = diagnose(crop, digitized_as(late, planted_path(), px_per_mm=1.05 * PX_PER_MM))
    assert (found.on_target, found.on_other, found.off_ink, found.missing) == (0.6, 0.2, 0.1, 0.1)
    assert found.lag_s == pytest.approx(0.02)
    assert found.gain == pytest.approx(0.8, abs=0.01) and found.range_kept == pytest.approx(0.8, abs=0.01)
    assert found.r > 0.999 and found.grid_error == pytest.approx(0.05)
    assert found.px_mv == pytest.approx(1 / 40) and found.range_mv == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"message": "no grid", "missing": 1.0}, "not digitized: no grid"),
        ({"grid_error": -0.2, "on_other": 0.5}, "the scale is off by -20.0%"),
        ({"on_other": 0.25, "missing": 0.5}, "follows another lead in 25% of the columns"),
        ({"missing": 0.5, "off_ink": 0.1}, "finds no trace in 50% of the columns"),
        ({"off_ink": 0.1, "range_mv": 0.1}, "is beside all traces in 10% of the columns"),
        ({"range_mv": 0.1, "range_kept": 0.5}, "a flat lead, 0.10 mV from peak to peak; a pixel is 0.010 mV"),
        ({"range_kept": 0.75}, "follows the right trace, but cuts its peaks: 25% of the range is lost"),
        ({"grid_error": None, "range_kept": None, "px_mv": None}, "follows the right trace; what is left"),
    ],
)
def test_the_first_cause_that_explains_it(change, cause):
    assert replace(FINE, **change).cause.startswith(cause)


# The crops again -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    overrides = ["digitizer=baseline", "subset.n_non_overlap=2", "subset.n_overlap=4", "logger=none"]
    overrides += ["figures=false", "progress=false", "seed=5", f"output_dir={folder}", "align.max_lag_s=0.1"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        main(compose("evaluate", overrides))
    return folder


def test_every_crop_comes_back_as_it_was_evaluated(evaluated):
    """Were seed, style or alignment lost on the way, the numbers would differ."""
    evaluation = reopen(evaluated)
    assert evaluation.align.max_lag_s == 0.1 and len(evaluation.rows) == 6
    for row in evaluation.rows.itertuples():
        case = look_again(evaluation, row.crop_id)
        assert (case.diagnosis.r, case.diagnosis.mse_mv2) == (row.r, row.mse_mv2)
        assert (case.crop.record_id, case.crop.overlap_px) == (row.record_id, row.overlap_px)
    with pytest.raises(DataError, match="no crop other in this evaluation"):
        evaluation.crop("other")


def test_records_that_have_moved(evaluated, tmp_path):
    """The folder of the records is replaced, nothing else."""
    (tmp_path / "rows.csv").write_bytes((evaluated / "rows.csv").read_bytes())
    facts = json.loads((evaluated / "provenance.json").read_text())
    facts["config"]["data"]["records"] = {"_target_": "ecgtrace.records.PtbXl", "root": "gone", "fs_hz": 100}
    (tmp_path / "provenance.json").write_text(json.dumps(facts))
    records = reopen(tmp_path, records_root=tmp_path / "new").source.records
    assert (Path(records.root), records.fs_hz) == (tmp_path / "new", 100)


def test_a_folder_that_is_no_evaluation(evaluated, tmp_path):
    with pytest.raises(DataError, match=r"no .*rows.csv; python evaluate.py writes one"):
        reopen(tmp_path)
    (tmp_path / "rows.csv").write_bytes((evaluated / "rows.csv").read_bytes())
    with pytest.raises(DataError, match="absent or lacks config; take a run folder of evaluate"):
        reopen(tmp_path)
    (tmp_path / "provenance.json").write_text('{"config": {"data": {"a": 1}, "align": {"a": 1}}}')
    with pytest.raises(DataError, match="lacks digitizer;"):
        reopen(tmp_path)


def test_what_failed_is_a_case_too(tmp_path):
    source = HandSource(2)
    rows = evaluate_many(source, {"crashing": Crashing()}, tmp_path / "rows.csv", RunOptions(progress=False))
    case = look_again(Evaluation(rows, source, Crashing()), "hand_001")
    assert case.digitized is None and case.diagnosis.message == rows["message"].iloc[1]
    assert case.diagnosis.mse_mv2 == rows["mse_mv2"].iloc[1] and case.diagnosis.r == 0
    figure = worst_case_figure(case, "crashing")
    assert figure.get_suptitle().splitlines()[1].startswith("not digitized: ")
    table = as_table([case, look_again(Evaluation(rows, source, ColumnDigitizer()), "hand_000")])
    assert list(table.index) == ["hand_001", "hand_000"]
    assert table["missing"].tolist() == [1.0, 0.0] and np.isnan(table["gain"].iloc[0])


def test_the_figure_shades_the_columns_that_went_wrong():
    crop = two_lines()
    digitized = digitized_as(crop.signal, planted_path())
    case = WorstCase(crop, digitized, diagnose(crop, digitized))
    figure = worst_case_figure(case, "planted")
    picture = figure.axes[0]
    spans = {
        patch.get_label(): patch.get_extents().transformed(picture.transData.inverted())
        for patch in picture.patches
    }
    wrong, missing = spans["found, not on the target"], spans["not found"]
    assert (wrong.x0, wrong.x1) == pytest.approx((64.5, 94.5))
    assert (missing.x0, missing.x1) == pytest.approx((94.5, 104.5))
    assert figure.get_suptitle().splitlines()[0].startswith("planted: lines (lead II")
    drawn = next(line for line in picture.lines if line.get_label() == "as drawn")
    np.testing.assert_array_equal(drawn.get_xydata(), crop.polyline)

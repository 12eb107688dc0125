"""Tables hold what pandas finds in the rows, and the report holds the tables."""

import base64
import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from drawn_by_hand import ColumnDigitizer, HandSource, write_rows
from matplotlib import image as mpl_image

from ecgtrace.errors import DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions, draw_resamples
from ecgtrace.evaluation.rows import Row, read_rows
from ecgtrace.evaluation.run import evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.reporting import figures, tables
from ecgtrace.reporting.paper import PAPER
from ecgtrace.reporting.report import write_report


def row(index, digitizer, r, subset="overlap", **changes):
    values = {
        "crop_id": f"c{index:02d}",
        "record_id": f"{index // 2:05d}",
        "lead": "V1",
        "layout": "3x4",
        "subset": subset,
        "overlap_px": 10 if subset == "overlap" else 0,
        "crossings": 0,
        "digitizer": digitizer,
        "model": "",
        "status": "ok",
        "message": "",
        "mse_mv2": 0.01 * (1 - r),
        "r": r,
        "snr_db": 20 * r,
        "doubts": "",
        "lag_ms": 0.0,
        "time0_error_ms": -4.0,
        "coverage": 1.0,
        "grid_error_x": 0.02,
        "grid_error_y": 0.01,
        "n_samples": 250,
        "fs_hz": 100.0,
        "seconds": 0.1,
    }
    return Row(**(values | changes))


def make_rows(seed=0, count=12):
    """Return rows of two digitizers on two subsets; one crop failed, and one could not even be read."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        subset = "overlap" if index % 3 else "non_overlap"
        for name in ("proposed", "baseline"):
            rows.append(row(index, name, float(rng.uniform(0.5, 1)), subset))  # noqa: PERF401
    failed = {"status": "failed", "message": "no <trace> & no grid", "snr_db": 0.0, "coverage": 0.0}
    rows.append(row(count, "baseline", 0.0, **failed, mse_mv2=0.04))
    rows.append(row(count, "proposed", 0.9))
    rows.append(row(count + 1, "baseline", 0.0, **failed, mse_mv2=None, n_samples=None, record_id=""))
    rows.append(row(count + 1, "proposed", 0.0, **failed, mse_mv2=None, n_samples=None, record_id=""))
    return rows


@pytest.fixture
def folder(tmp_path):
    write_rows(tmp_path / "rows.csv", make_rows())
    return tmp_path


def test_rows_survive_the_file(folder):
    """Text stays text (record 00003), None stays unknown, floats keep their last bit."""
    rows = read_rows(folder / "rows.csv")
    for written, (_, read) in zip(make_rows(), rows.iterrows(), strict=True):
        for name, value in asdict(written).items():
            assert np.isnan(read[name]) if value is None else read[name] == value, name


def test_tables_equal_pandas(folder):
    rows = read_rows(folder / "rows.csv")
    metrics = tables.as_metrics(tables.results(rows))
    assert list(metrics) == ["non_overlap", "overlap", "all"]
    for subset, block in metrics.items():
        part = rows if subset == "all" else rows[rows["subset"] == subset]
        assert list(block["digitizers"]) == ["baseline", "proposed"]
        assert block["n_crops"] == part["crop_id"].nunique()
        for name, numbers in block["digitizers"].items():
            own = part[part["digitizer"] == name]
            assert numbers["n"] == len(own)
            assert numbers["n_failed"] == (own["status"] == "failed").sum()
            expected = {
                "mse_mean": own["mse_mv2"].mean(),
                "mse_std": own["mse_mv2"].std(ddof=1),
                "mse_max": own["mse_mv2"].max(),
                "r_mean": own["r"].mean(),
                "r_min": own["r"].min(),
                "r_std": own["r"].std(ddof=1),
                "snr_median": own["snr_db"].median(),
                "snr_mean": own["snr_db"].mean(),
                "mse_median": own["mse_mv2"].median(),
                "r_median": own["r"].median(),
            }
            for key, value in expected.items():
                assert numbers[key] == pytest.approx(value, rel=1e-12), (subset, name, key)
            assert numbers["r_mean_low"] < numbers["r_mean"] < numbers["r_mean_high"]
            assert "r_min_low" not in numbers


def test_failures_weigh_in_the_mean():
    """One crop with r 0.9 and a failure: the mean is 0.45, and the error of a flat line raises the MSE."""
    rows = pd.DataFrame([asdict(row(0, "b", 0.9)), asdict(row(1, "b", 0.0, status="failed", mse_mv2=0.04))])
    numbers = tables.as_metrics(tables.results(rows))["overlap"]["digitizers"]["b"]
    assert numbers["r_mean"] == pytest.approx(0.45)
    assert numbers["mse_mean"] == pytest.approx((0.001 + 0.04) / 2)
    assert numbers["n_failed"] == 1


def test_tables_count_doubts_and_tell_what_was_misread_as_ok():
    """Of five, the doubtful one and the failed one below 5 dB were not called ok; one was."""
    cases = [("ok", 30), ("ok", 4.9), ("ok", 5.0), ("doubtful", 1), ("failed", 0)]
    rows = [row(i, "b", 0.5, status=status, snr_db=snr) for i, (status, snr) in enumerate(cases)]
    (result,) = tables.results(pd.DataFrame(asdict(entry) for entry in rows))
    numbers = tables.as_metrics([result])["overlap"]["digitizers"]["b"]
    assert numbers["ok_misread"] == pytest.approx(1 / 5)
    assert (numbers["n"], numbers["n_failed"], numbers["n_doubtful"]) == (5, 1, 1)
    lines = {line[0]: line[1] for line in tables.grid(result)[1]}
    assert lines["doubtful"] == "1" and lines["ok, yet below 5 dB (share)"].startswith("0.200 [")


def test_time_0_and_lag_are_summarised_without_their_sign():
    """Errors of -100 to 0 ms in steps of 5: half are 50 or less, and 95 of 100 are 95 or less."""
    rows = [
        row(i, "b", 0.9, time0_error_ms=-5.0 * i, lag_ms=(-1) ** i * 2.0 * i, record_id=f"{i:05d}")
        for i in range(21)
    ]
    rows.append(row(21, "b", 0.0, status="failed", time0_error_ms=None, lag_ms=None))
    numbers = tables.as_metrics(tables.results(pd.DataFrame(asdict(entry) for entry in rows)))
    numbers = numbers["overlap"]["digitizers"]["b"]
    assert numbers["time0_error_median"] == pytest.approx(50)
    assert numbers["time0_error_p95"] == pytest.approx(95)
    assert (numbers["lag_median"], numbers["lag_p95"]) == pytest.approx((20, 38))
    assert numbers["time0_error_p95_low"] < 95 < numbers["time0_error_p95_high"] <= 100


def test_digitizers_share_the_resamples():
    """A digitizer that is better by the same 0.05 everywhere is better by 0.05 in every resample."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(20):
        r = float(rng.uniform(0.2, 0.9))
        rows += [row(index, "baseline", r, mse_mv2=r), row(index, "proposed", r + 0.05, mse_mv2=r / 4)]
    (result,) = tables.results(pd.DataFrame(asdict(entry) for entry in rows))
    (comparison,) = result.comparisons
    assert comparison.r_difference == pytest.approx(0.05)
    assert comparison.r_difference_interval == pytest.approx((0.05, 0.05))
    assert comparison.mse_ratio == pytest.approx(0.25)
    assert comparison.mse_ratio_interval == pytest.approx((0.25, 0.25))


def test_intervals_come_from_the_documented_resamples(folder):
    rows = read_rows(folder / "rows.csv")
    options = BootstrapOptions(n_resamples=200, seed=5)
    numbers = tables.as_metrics(tables.results(rows, options))["non_overlap"]["digitizers"]["proposed"]
    part = rows[(rows["subset"] == "non_overlap") & (rows["digitizer"] == "proposed")].sort_values("crop_id")
    counts = draw_resamples(list(part["crop_id"]), list(part["record_id"]), options)
    means = bootstrap.mean(part["r"].to_numpy(), counts)
    assert (numbers["r_mean_low"], numbers["r_mean_high"]) == pytest.approx(
        np.quantile(means, [0.025, 0.975])
    )


def test_order_of_rows_does_not_matter(folder):
    rows = read_rows(folder / "rows.csv")
    shuffled = rows.sample(frac=1, random_state=0)
    one, two = (tables.as_metrics(tables.results(part)) for part in (rows, shuffled))
    assert one["overlap"] == two["overlap"] and one["all"] == two["all"]


def test_the_paper_stands_beside_ours(folder):
    results = tables.results(read_rows(folder / "rows.csv"))
    header, lines = tables.grid(results[1])
    assert header == ["", "baseline", "proposed", "paper: paper-ecg", "paper: proposed"]
    cells = {line[0]: line[1:] for line in lines}
    assert cells["crops"][-2:] == ["100", "100"]
    assert cells["MSE mean (mV²)"][-2:] == ["0.0178", "0.0029"]
    assert cells["MSE max (mV²)"][-2:] == ["0.4375", "0.0216"]
    assert cells["r min"][-2:] == ["0.1897", "0.6256"]
    assert cells["SNR median (dB)"][-2:] == ["", ""]
    assert tables.grid(results[2])[0] == ["", "baseline", "proposed"]


def test_the_paper_as_printed(shared):
    """Every number of ours for the paper stands in the tables of its text, in the same order."""
    text = (shared / "paper" / "paper.txt").read_text(encoding="utf-8")
    found = {
        first: [float(number) for number in re.findall(r"\d+\.\d{4}", text[text.index(f"| {first} ") :])][:12]
        for first in ("0.0015", "0.0178")
    }
    for subset, first in (("non_overlap", "0.0015"), ("overlap", "0.0178")):
        keys = ("mse_mean", "mse_std", "mse_max", "r_mean", "r_min", "r_std")
        ours = [PAPER[subset][method][key] for key in keys for method in ("paper-ecg", "proposed")]
        assert ours == found[first]


def test_table_files(folder):
    results = tables.results(read_rows(folder / "rows.csv"))
    tables.write_tables(results, folder / "tables")
    metrics = tables.as_metrics(results)
    with (folder / "tables" / "summary.csv").open() as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        if not line["digitizer"].startswith("paper"):
            value = metrics[line["subset"]]["digitizers"][line["digitizer"]][line["statistic"]]
            assert float(line["value"]) == value
    assert {line["digitizer"] for line in lines} == {
        "baseline",
        "proposed",
        "paper: paper-ecg",
        "paper: proposed",
    }
    markdown = (folder / "tables" / "overlap.md").read_text()
    _, body = tables.grid(results[1])
    assert len([text for text in markdown.splitlines() if text.startswith("|")]) == len(body) + 2
    assert " ".join(f"| {' | '.join(body[2])} |".split()) in " ".join(markdown.split())
    assert "percentile bootstrap interval" in markdown


def test_report_is_one_file_with_the_tables(folder):
    pictures = folder / "figures"
    pictures.mkdir()
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    )
    (pictures / "overlay_overlap_baseline_best.png").write_bytes(png)
    facts = {
        "command": "python evaluate.py compare=[<b>]",
        "commit": "abc123",
        "dirty": True,
        "models": {"proposed": {"model": "unet-1", "started_from": "ImageNet"}},
        "config": {"bootstrap": {"_target_": "x", "n_resamples": 100, "seed": 7}},
    }
    (folder / "provenance.json").write_text(json.dumps(facts))
    path = write_report(folder)
    page = path.read_text(encoding="utf-8")
    for result in tables.results(read_rows(folder / "rows.csv"), BootstrapOptions(n_resamples=100, seed=7)):
        assert tables.to_html(result) in page
    assert base64.b64encode(png).decode() in page
    assert "no &lt;trace&gt; &amp; no grid" in page and "no <trace>" not in page
    assert "compare=[&lt;b&gt;]" in page
    assert "abc123 with uncommitted changes" in page
    assert "started_from ImageNet" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page), "the report must not need other files"
    assert "$" not in page


def test_report_of_a_sweep(tmp_path):
    """The runs of a multirun, one digitizer each, make one table; a crop that stands twice is refused."""
    for place, name in enumerate(("baseline", "proposed")):
        write_rows(
            tmp_path / f"{place}_{name}" / "rows.csv",
            [entry for entry in make_rows() if entry.digitizer == name],
        )
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "proposed against baseline" in page
    write_rows(
        tmp_path / "2_proposed" / "rows.csv",
        [entry for entry in make_rows() if entry.digitizer == "proposed"],
    )
    with pytest.raises(DataError, match="twice"):
        write_report(tmp_path)


def test_report_without_rows(tmp_path):
    with pytest.raises(DataError, match=r"no rows\.csv"):
        write_report(tmp_path)
    write_rows(tmp_path / "rows.csv", [])
    with pytest.raises(DataError, match="empty"):
        write_report(tmp_path)


# Figures ------------------------------------------------------------------------------------------


def test_best_median_and_worst():
    """Of r = 0.1 .. 0.4 the median shown is the lower of the middle two; the unread crop has no picture."""
    rows = [row(index, "b", r) for index, r in enumerate((0.3, 0.1, 0.4, 0.2))]
    rows.append(row(9, "b", 0.0, n_samples=None))
    chosen = figures.pick(pd.DataFrame(asdict(entry) for entry in rows))
    assert {rank: entry["crop_id"] for rank, entry in chosen.items()} == {
        "best": "c02",
        "median": "c03",
        "worst": "c01",
    }
    assert list(figures.pick(pd.DataFrame([asdict(rows[0])]))) == ["best"]
    assert figures.pick(pd.DataFrame([asdict(rows[-1])])) == {}


def test_overlay_draws_the_trace_on_the_picture():
    crop = HandSource()[1]
    digitized = ColumnDigitizer()(crop.image)
    figure = figures.overlay_figure(crop, digitized, "baseline, best of 6")
    picture, signals = figure.axes
    (line,) = picture.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), digitized.row_px)
    assert "hand_001" in picture.get_title(loc="left")
    assert re.search(r"r = 0\.\d{4}, MSE = 0\.\d{5} mV², SNR", signals.get_title(loc="left"))
    assert "(s)" in signals.get_xlabel() and "(mV)" in signals.get_ylabel()
    truth = signals.get_lines()[0]
    np.testing.assert_allclose(truth.get_ydata(), crop.signal - np.median(crop.signal))


def test_overlay_of_a_failure_shows_its_message():
    figure = figures.overlay_figure(HandSource()[0], None, "baseline, worst of 6", message="no grid")
    assert figure.axes[1].get_title(loc="left") == "failed: no grid"


def test_distribution_reaches_from_the_worst_to_the_best(tmp_path):
    rows = evaluate_many(
        HandSource(6), {"b": ColumnDigitizer()}, tmp_path / "rows.csv", RunOptions(progress=False)
    )
    left, right = figures.distribution_figure(rows).axes
    for axis, subset in ((left, "non_overlap"), (right, "overlap")):
        (line,) = axis.get_lines()
        values = rows[rows["subset"] == subset]["r"]
        assert sorted(set(values)) == sorted(set(line.get_xdata()) - {-np.inf})
        assert line.get_ydata()[-1] == 1


def test_grid_lines_are_where_they_were_found(tmp_path):
    crop = HandSource()[0]
    scale = ColumnDigitizer()(crop.image).scale
    figure = figures.grid_figure(crop.image, scale)
    upright, level = figure.axes[0].collections
    assert [segment[0, 0] for segment in upright.get_segments()] == list(scale.lines_x)
    assert [segment[0, 1] for segment in level.get_segments()] == list(scale.lines_y)
    png = figures.save(figure, tmp_path / "grid")
    assert mpl_image.imread(png).std() > 0
    assert (tmp_path / "grid.pdf").read_bytes().startswith(b"%PDF")

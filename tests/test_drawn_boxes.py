"""Drawn crops with boxes as people cut them, on pages of several printers: pure, and truth in place."""

from dataclasses import replace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.drawing.printers import MixedPrinters, Printer
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation.run import evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.records.sample import SampleRecords
from ecgtrace.reporting import tables

STYLE = PageStyle(px_per_mm=6)
SHEETS = (Sheet("3x4"), Sheet("3x1"))
TIGHT = DrawnCrops(SampleRecords(), STYLE, SHEETS, "test", 12, 8, seed=3)
LOOSE = replace(TIGHT, box_jitter_mm=2.0)
PRINTERS = MixedPrinters({"coarse": Printer(px_per_mm=(4, 5)), "fine": Printer(px_per_mm=(9, 10))})


def margins_mm(crop):
    """Return how far each side lies outside of the trace's centre line: left, top, right, bottom."""
    low, high = crop.polyline.min(axis=0), crop.polyline.max(axis=0)
    height, width = crop.image.shape[:2]
    return np.array([*low, width - 1 - high[0], height - 1 - high[1]]) / crop.px_per_mm


def test_0_mm_cuts_as_the_published_data_set_does():
    for crop in TIGHT:
        np.testing.assert_allclose(margins_mm(crop), STYLE.crop_padding_mm, atol=0.2)


def test_each_side_lies_up_to_2_mm_out_and_a_little_in():
    """Half a line and rounding come on top; a pulse, which would move the left side, these pages have not."""
    margins = np.array([margins_mm(crop) for crop in LOOSE])
    assert margins.min() > -0.3 and margins.max() < 2.6
    assert margins.std(axis=0).min() > 0.3 and margins.std(axis=1).max() > 0.5


def test_time_0_stays_where_the_trace_begins():
    for crop in (LOOSE[0], LOOSE[15]):
        assert crop.start_px == pytest.approx(crop.polyline[0, 0])
        assert crop.mask[:, : max(int(crop.start_px) - 3, 0)].sum() == 0


def test_quotas_are_those_of_the_boxes_that_are_cut():
    drawn = list(LOOSE)
    assert sum(crop.overlap_px > 0 for crop in drawn) == 8
    assert sum(crop.overlap_px == 0 for crop in drawn) == 12


@pytest.mark.parametrize("changes", [{}, {"printer": PRINTERS}])
def test_a_crop_is_pure_and_does_not_depend_on_the_quotas(changes):
    source = replace(LOOSE, **changes)
    again = replace(source, n_non_overlap=15, n_overlap=6)
    by_id = {again.crop_id(i): i for i in range(len(again))}
    shared = [i for i in range(len(source)) if source.crop_id(i) in by_id]
    assert len(shared) > 10
    for index in shared[:3]:
        one, other = source[index], again[by_id[source.crop_id(index)]]
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.px_per_mm == other.px_per_mm
    np.testing.assert_array_equal(source[2].image, replace(source)[2].image)
    seeds = [replace(source, seed=seed) for seed in (3, 4)]
    assert [seeds[0].crop_id(i) for i in range(9)] != [seeds[1].crop_id(i) for i in range(9)]


def test_leads_of_a_page_share_its_style_and_pages_differ():
    """Both printers of the mix are met."""
    source = replace(LOOSE, printer=PRINTERS, n_non_overlap=60, n_overlap=30)
    scales = {}
    for index in range(len(source)):
        page = source.crop_id(index).rpartition("_")[0]
        scales.setdefault(page, set()).add(source._plan(source._places[index]).style.px_per_mm)
    assert all(len(found) == 1 for found in scales.values())
    assert max(map(len, scales.values())) == 1 and len(set.union(*scales.values())) == len(scales)
    found = np.array([next(iter(one)) for one in scales.values()])
    assert (found < 5.1).any() and (found > 8.9).any()


def test_less_than_nothing_is_refused():
    with pytest.raises(ConfigError, match="box_jitter_mm"):
        replace(TIGHT, box_jitter_mm=-0.1)


def composed(shared_conf, *overrides):
    with initialize_config_dir(str(shared_conf), version_base="1.3"):
        return compose("evaluate", list(overrides))


def test_the_external_test_is_what_it_says(request):
    """LUDB's test split, 185 + 100 crops, 2 mm, every printer, and the three digitizers by their names."""
    conf = request.config.rootpath / "conf"
    cfg = composed(conf, "experiment=external", "signals.root=nowhere")
    data = instantiate(cfg.data, _convert_="object")
    assert (data.records.name, data.split, data.seed) == ("ludb", "test", 0)
    assert (data.n_non_overlap, data.n_overlap, data.box_jitter_mm) == (185, 100, 2.0)
    assert set(data.printer.printers) == {p.stem for p in (conf / "printer").glob("*.yaml")} - {"mixed"}
    assert [cfg.digitizer.name, *cfg.compare] == ["refined", "proposed", "baseline"]
    assert (cfg.bootstrap.unit, cfg.bootstrap.level) == ("record", 0.95)


def test_the_default_data_is_tight_and_of_one_style(request):
    data = instantiate(composed(request.config.rootpath / "conf").data, _convert_="object")
    assert data.box_jitter_mm == 0 and data.printer is None


def test_rows_of_loose_boxes_tell_time_0(tmp_path):
    """A digitizer that begins at the edge of the crop is early by the margin that was cut."""
    from ecgtrace.digitization.baseline import BaselineDigitizer

    source = replace(LOOSE, n_non_overlap=3, n_overlap=0)
    rows = evaluate_many(
        source, {"b": BaselineDigitizer()}, tmp_path / "rows.csv", RunOptions(progress=False)
    )
    read = rows[rows["status"] != "failed"]
    assert len(read) and read["time0_error_ms"].notna().all() and (read["time0_error_ms"].abs() < 250).all()
    assert "time0_error_p95" in tables.as_metrics(tables.results(rows))["non_overlap"]["digitizers"]["b"]

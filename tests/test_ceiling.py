"""Readings of a straight line whose place is known, and the study from end to end."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ecgtrace.errors import ConfigError
from ecgtrace.studies import ceiling
from ecgtrace.types import GridScale

CONF = Path(__file__).resolve().parents[1] / "conf"


def compose_study(name, options):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, options)


def sloping(width=100):
    """A line 4 px high that falls one row in ten columns, from column 10 to 89."""
    mask = np.zeros((40, width), np.uint8)
    for column in range(10, 90):
        top = 10 + (column - 10) // 10
        mask[top : top + 4, column] = 1
    return mask


def reading(half_line_width):
    return ceiling.ColumnMiddle(
        fs_hz=100.0,
        half_line_width=half_line_width,
        uses_true_mask=True,
        grid=lambda image: GridScale(4.0, 4.0, 1.0),
    )


def test_the_middle_of_each_column_is_read():
    """Rows 10 to 13 have their middle at 11.5."""
    mask = sloping()
    signal = reading(False)(np.full((*mask.shape, 3), 255, np.uint8), mask)
    assert signal.row_px[10] == 11.5 and signal.row_px[89] == 18.5
    assert signal.start_px == 10


def test_half_a_line_width_moves_time_zero_alone():
    mask = sloping()
    image = np.full((*mask.shape, 3), 255, np.uint8)
    first, inside = reading(False)(image, mask), reading(True)(image, mask)
    assert 1 < inside.start_px - first.start_px < 2.5
    np.testing.assert_array_equal(first.row_px, inside.row_px)


def test_the_stroke_on_the_mask_needs_a_mask():
    with pytest.raises(ConfigError, match="pass one with each image"):
        ceiling.StrokeOnMask()(np.zeros((4, 4, 3), np.uint8))


def test_on_drawn_crops(tmp_path):
    """Four readings of one crop; the stroke is nearer to the truth than the column's middle."""
    page = tmp_path / "page"
    page.mkdir()
    (page / "README.md").write_text("<!-- table -->\n<!-- end -->\n")
    options = ["subset.n_overlap=0", "subset.n_non_overlap=1", "progress=false", "publish=true"]
    cfg = compose_study("ceiling", [*options, f"output_dir={tmp_path / 'out'}"])
    cfg.readings = [r for r in cfg.readings if r.name in ("column_middle", "stroke_on_mask")]
    summary = ceiling.main(cfg, page).set_index("digitizer")
    assert summary.loc["stroke_on_mask", "snr_mean"] > summary.loc["column_middle", "snr_mean"] + 6
    assert "mean SNR" in (page / "README.md").read_text()

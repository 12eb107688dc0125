"""Readings of a straight line whose place is known, and the study from end to end."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ecgtrace.digitization.ink_map import TrueMask
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.evaluation import arms
from ecgtrace.studies import ceiling, study
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
        grid=lambda image: GridScale(4.0, 4.0, 1.0),
    )


def read(digitizer, image, mask):
    return replace(digitizer, segmenter=TrueMask(mask))(image)


def test_the_middle_of_each_column_is_read():
    """Rows 10 to 13 have their middle at 11.5."""
    mask = sloping()
    signal = read(reading(False), np.full((*mask.shape, 3), 255, np.uint8), mask)
    assert signal.row_px[10] == 11.5 and signal.row_px[89] == 18.5
    assert signal.start_px == 10


def test_half_a_line_width_moves_time_zero_alone():
    mask = sloping()
    image = np.full((*mask.shape, 3), 255, np.uint8)
    first, inside = read(reading(False), image, mask), read(reading(True), image, mask)
    assert (first.start_px, inside.start_px) == (10, 11.5)  # half of 4 px from the edge of the first pixel
    assert (len(first.amplitude_mv), len(inside.amplitude_mv)) == (80, 77)
    np.testing.assert_array_equal(first.row_px, inside.row_px)


def test_a_straight_line_is_read_in_mv():
    """Level but for ten columns that stand 8 px, 2 mm, 0.2 mV higher."""
    mask = np.zeros((40, 100), np.uint8)
    mask[20:24, 10:90] = 1
    mask[20:24, 40:50], mask[12:16, 40:50] = 0, 1
    mask[20:24, 60:65] = 0
    signal = read(reading(False), np.full((*mask.shape, 3), 255, np.uint8), mask)
    expected = np.zeros(80)
    expected[30:40] = 0.2
    expected[50:55] = np.nan
    np.testing.assert_allclose(signal.amplitude_mv, expected, atol=1e-12)
    np.testing.assert_array_equal(signal.confidence == 0, np.isnan(expected))


@dataclass(frozen=True)
class Sure:
    """A network that sees the line 10 rows too low, and a neighbour, in its second channel, where it is."""

    def channels(self, image, duration_s):
        assert duration_s == pytest.approx(1.0)  # 100 px at 4 px/mm and 25 mm/s
        own = np.where(np.roll(sloping(), 10, axis=0) > 0, 0.5, 0.49)
        return np.stack([own, sloping()]).astype(np.float32)


def test_the_networks_first_channel_is_read_from_one_half_on():
    mask = sloping()
    image = np.full((*mask.shape, 3), 255, np.uint8)
    signal = replace(reading(True), segmenter=Sure())(image)
    np.testing.assert_array_equal(signal.row_px, read(reading(True), image, mask).row_px + 10)
    with pytest.raises(ConfigError, match="true mask"):
        reading(True)(image)
    with pytest.raises(TraceNotFoundError):
        read(reading(True), image, mask * 0)


def test_the_stroke_on_the_mask_finds_the_line_that_was_drawn():
    """5 px wide, from (20, 15) to (180, 55); the picture beside it shows something else."""
    y, x = np.mgrid[:70, :200]
    along = np.clip(((x - 20) * 160 + (y - 15) * 40) / (160**2 + 40**2), 0, 1)
    mask = (np.hypot(x - 20 - 160 * along, y - 15 - 40 * along) <= 2.5).astype(np.uint8)
    refined = RefinedDigitizer(fs_hz=25.0, grid=lambda image: GridScale(4.0, 4.0, 1.0))
    noise = np.random.default_rng(0).integers(0, 255, (*mask.shape, 3), dtype=np.uint8)
    signal = read(ceiling.StrokeOnMask(refined), noise, mask)
    columns = np.arange(25, 176)
    np.testing.assert_allclose(signal.row_px[columns], 15 + 0.25 * (columns - 20), atol=0.3)
    assert signal.start_px == pytest.approx(20, abs=0.6)
    assert signal.amplitude_mv[0] - signal.amplitude_mv[-1] == pytest.approx(1.0, abs=0.02)


def test_readings_as_configured():
    """The order of the table, and which of them may see the true mask."""
    cfg = compose_study("ceiling", [])
    _, configs = study.arms_of(cfg, "readings")
    built = arms.build(configs, cfg.segmenter)
    sees = {name: isinstance(one.segmenter, TrueMask) for name, one in built.items()}
    assert list(sees.items()) == [
        ("column_middle_first_column", True),
        ("column_middle", True),
        ("stroke_on_mask", True),
        ("column_middle_network", False),
        ("ceiling", True),
        ("refined", False),
    ]
    for name in ("column_middle_network", "refined"):
        assert built[name].segmenter is built["refined"].segmenter
    assert not built["column_middle_first_column"].half_line_width and built["column_middle"].half_line_width
    assert isinstance(built["refined"].segmenter, arms.SharedNetwork)


def test_the_stroke_on_the_mask_needs_a_mask():
    with pytest.raises(ConfigError, match="true mask"):
        refined = RefinedDigitizer(grid=lambda image: GridScale(4.0, 4.0, 1.0))
        ceiling.StrokeOnMask(refined)(np.zeros((4, 4, 3), np.uint8))


def test_on_drawn_crops(tmp_path):
    """Four readings of one crop; the stroke is nearer to the truth than the column's middle."""
    page = tmp_path / "page"
    page.mkdir()
    (page / study.TEMPLATE).write_text("{% for title, table in tables %}{{ title }}\n{{ table }}{% endfor %}")
    options = ["subset.n_overlap=0", "subset.n_non_overlap=1", "progress=false", "publish=true"]
    cfg = compose_study("ceiling", [*options, f"output_dir={tmp_path / 'out'}"])
    cfg.readings = [arm for arm in cfg.readings if arm.name in ("column_middle", "stroke_on_mask")]
    summary = study.run(ceiling.STUDY, cfg, page).set_index("digitizer")
    assert summary.loc["stroke_on_mask", "snr_mean"] > summary.loc["column_middle", "snr_mean"] + 6
    assert "mean SNR" in (page / "README.md").read_text()

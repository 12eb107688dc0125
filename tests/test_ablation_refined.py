"""Differences of arms that the test has planted, arms as data, and the study from end to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.arms import SharedNetwork, build
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.runner import PROVENANCE, ROWS
from ecgtrace.studies import ablation, study

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
FEW = BootstrapOptions(n_resamples=200)
WHAT = {"whole": "the whole", "part": "a part"}


def settings(*options):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("ablation_refined", ["progress=false", *options])


def planted(digitizer, snr_db, failed=()):
    """Return a row for each value of the SNR, two crops a record."""
    count = len(snr_db)
    return pd.DataFrame(
        {
            "crop_id": [f"crop{i}" for i in range(count)],
            "record_id": [f"{i // 2:05d}" for i in range(count)],
            "subset": "overlap",
            "digitizer": digitizer,
            "status": ["failed" if i in failed else "ok" for i in range(count)],
            "mse_mv2": 0.01 * (np.arange(count) + 1.0),
            "r": 0.9,
            "snr_db": snr_db,
        }
    )


def compared(*frames):
    rows = pd.concat(frames, ignore_index=True)
    summary = ablation.compare(rows, list(WHAT), FEW)
    return summary, summary.set_index("digitizer").loc["part"]


def test_the_gain_is_paired_crop_by_crop():
    """Gains 1, 2, 3, 10 dB; the rows of the arm come in another order."""
    whole = planted("whole", [21.0, 12.0, 33.0, 30.0])
    part = planted("part", [20.0, 10.0, 30.0, 20.0]).iloc[::-1]
    summary, line = compared(whole, part)
    assert (line["gain_mean"], line["gain_median"]) == (4.0, 2.5)
    assert (line["n_better"], line["n_both"], line["n"]) == (4, 4, 4)
    assert 1.5 <= line["gain_mean_low"] < 4 < line["gain_mean_high"] <= 6.5  # a resample has whole records
    assert summary.set_index("digitizer").loc["whole", "snr_median"] == 25.5
    assert pd.isna(summary.set_index("digitizer").loc["whole", "gain_mean"])


def test_a_constant_gain_has_no_interval_whatever_the_crops():
    snr_db = np.array([0.0, 10.0, 30.0, 35.0])
    _, line = compared(planted("whole", snr_db + 2), planted("part", snr_db))
    assert [line[f"gain_mean{end}"] for end in ("", "_low", "_high")] == pytest.approx([2, 2, 2])


def test_a_failed_crop_counts_as_0_db_and_is_told():
    whole = planted("whole", [20.0, 20.0, 20.0, 20.0])
    _, line = compared(whole, planted("part", [18.0, 18.0, 18.0, 0.0], failed=[3]))
    assert (line["n_failed"], line["n_both"]) == (1, 3)
    assert line["gain_mean"] == 6.5
    assert line["gain_mean_both"] == 2


def test_the_table_and_the_figure_show_the_gain():
    summary, line = compared(planted("whole", [21.0, 22.0, 23.0, 30.0]), planted("part", [20.0] * 4))
    ((title, text),) = ablation.tables(summary, WHAT)
    assert title == "Crops with overlap (n=4)"
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")]
    assert cells[1:3] == ["a part", "0"] and cells[6].startswith("+4.00 [") and cells[8] == "4 of 4"
    (axis,) = ablation.figure(summary, WHAT, 0.95).axes
    dots = [artist.get_xdata()[0] for artist in axis.get_lines() if artist.get_marker() in ("o", "D")]
    assert dots == [line["gain_mean"], line["gain_median"]]


def test_every_arm_differs_from_the_whole():
    what, configs = study.arms_of(settings())
    assert list(what) == list(configs) and next(iter(what)) == "refined"
    plain = [str({k: v for k, v in config.items() if k != "name"}) for config in configs.values()]
    assert len(set(plain)) == len(plain)
    built = build(configs, settings().segmenter)
    assert [one.name for one in built.values()] == list(configs)
    shared = {name for name, one in built.items() if one.segmenter is built["refined"].segmenter}
    assert shared == set(built) - {"no_second_channel"}
    assert built["no_neighbours"].neighbours is None and built["no_neighbours"].fit is not None
    assert built["path_only"].fit is None and not built["path_only"].start.expectation
    assert built["path_only"].start.detours


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([{"name": "a", "what": "a", "digitizer": "none_such"}], "choose of refined, proposed"),
        ([{"name": "a", "what": "a"}], "at least one"),
        ([{"name": "a", "what": "a"}, {"name": "a", "what": "b"}], "a is there twice"),
        ([{"name": "a", "override": {}}], "name, what"),
    ],
)
def test_arms_that_are_not_written_as_they_should_be(arms, says):
    cfg = settings()
    cfg.arms = arms
    with pytest.raises(ConfigError, match=says):
        study.arms_of(cfg)


def test_a_part_that_refined_does_not_have_is_refused():
    cfg = settings()
    cfg.arms = [{"name": "a", "what": "a"}, {"name": "b", "what": "b", "overrides": {"strok": False}}]
    _, configs = study.arms_of(cfg)
    with pytest.raises(InstantiationException, match="strok"):
        instantiate(configs["b"])


class Counted:
    """A network that counts how often it is asked."""

    model, card = "counted", None

    def __init__(self):
        self.calls = 0

    def channels(self, image, duration_s=None):
        self.calls += 1
        return np.full((1, *image.shape[:2]), image.mean() / 255, np.float32)


def test_the_network_sees_each_picture_once():
    network, one, two = Counted(), np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    shared = SharedNetwork(network)
    for image, asked in ((one, 1), (one, 1), (two, 2), (one, 3)):
        found = shared(image, duration_s=2.5)
        assert (found == image.mean() / 255).all() and network.calls == asked
        found[:] = 7  # what one writes, the next does not see
    one[:] = 255
    assert (shared(one, duration_s=2.5) == 1).all()
    assert shared(one).shape == (4, 5) and network.calls == 5


def test_a_run_publishes_goes_on_and_refuses_other_options(tmp_path):
    """All studies share this machinery (`studies.study`)."""
    page = tmp_path / "page"
    page.mkdir()
    options = [
        "subset.n_overlap=0",
        "subset.n_non_overlap=1",
        "page.px_per_mm=8",
        f"output_dir={tmp_path / 'out'}",
    ]

    def arms(*more):
        cfg = settings(*options, *more)
        cfg.arms = [arm for arm in cfg.arms if arm.name in ("refined", "no_stroke")]
        return cfg

    with pytest.raises(DataError, match=r"there is no .*page\.md\.j2"):
        study.run(ablation.STUDY, arms("publish=true"), page)
    assert not (tmp_path / "out").exists()  # told before hours of work
    (page / study.TEMPLATE).write_text(
        "{{ command }}; {{ sizes }}\n{% for t in tables %}{{ t[1] }}{% endfor %}"
    )

    first = study.run(ablation.STUDY, arms(), page)
    assert list(first["digitizer"]) == ["refined", "no_stroke"]
    assert first["gain_mean"].iloc[1] > 1
    rows = tmp_path / "out" / ROWS
    facts = (tmp_path / "out" / PROVENANCE).read_text()
    assert set(json.loads(facts)["models"]) == {"refined", "no_stroke"}
    assert [path.name for path in page.iterdir()] == [study.TEMPLATE]

    before = rows.read_bytes()
    again = study.run(ablation.STUDY, arms("publish=true"), page)
    pd.testing.assert_frame_equal(again, first)
    assert rows.read_bytes() == before  # its seconds, too: nothing was done twice
    assert (tmp_path / "out" / PROVENANCE).read_text() == facts
    told = (page / study.PAGE).read_text()
    assert "; 1 crops without overlap (1 record)\n" in told
    assert "mean gain of refined (dB)" in told
    published = {ROWS, study.SUMMARY, PROVENANCE, study.PAGE, study.TEMPLATE}
    assert {path.name for path in page.iterdir()} == {
        *published,
        "ablation_refined.png",
        "ablation_refined.pdf",
    }

    # The page is made again from what was published, and says the same.
    (page / study.PAGE).write_text("typed")
    study.rewrite(ablation.STUDY, page)
    assert (page / study.PAGE).read_text() == told

    with pytest.raises(ConfigError, match="crops or their scoring changed"):
        study.run(ablation.STUDY, arms("seed=1"), page)
    with pytest.raises(ConfigError, match=r"\(refined, no_stroke changed\)"):
        study.run(ablation.STUDY, arms("digitizers.refined.fs_hz=250"), page)

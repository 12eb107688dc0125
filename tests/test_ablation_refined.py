"""Differences of arms that the test has planted, and the study on a drawn crop."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ecgtrace.errors import ConfigError
from ecgtrace.studies import ablation

CONF = Path(__file__).resolve().parents[1] / "conf"


def compose_study(options=()):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("ablation_refined", list(options))


def test_every_arm_differs_from_the_whole():
    what, configs = ablation.arms_of(compose_study())
    assert next(iter(what)) == "refined"
    plain = [str({k: v for k, v in config.items() if k != "name"}) for config in configs.values()]
    assert len(set(plain)) == len(plain)


def test_an_arm_of_nothing_is_refused():
    cfg = compose_study()
    cfg.arms[-1].digitizer = "none_such"
    with pytest.raises(ConfigError, match="none_such"):
        ablation.arms_of(cfg)


def test_one_arm_is_no_comparison():
    cfg = compose_study()
    cfg.arms = cfg.arms[:1]
    with pytest.raises(ConfigError, match="at least one"):
        ablation.arms_of(cfg)


def test_on_a_drawn_crop(tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "README.md").write_text("<!-- table -->\n<!-- end -->\n")
    options = ["subset.n_overlap=0", "subset.n_non_overlap=2", "progress=false", "publish=true"]
    cfg = compose_study([*options, f"output_dir={tmp_path / 'out'}"])
    cfg.arms = [arm for arm in cfg.arms if arm.name in ("refined", "no_stroke")]
    summary = ablation.main(cfg, page)
    assert set(summary["digitizer"] if "digitizer" in summary else summary["arm"]) >= {"no_stroke"}
    difference = [c for c in summary.columns if "difference" in c or "gain" in c or "diff" in c]
    assert difference, list(summary.columns)
    assert np.isfinite(summary[difference[0]].iloc[-1])
    assert (page / "ablation_refined.png").is_file()

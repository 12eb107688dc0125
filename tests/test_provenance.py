"""What a run says about itself."""

from omegaconf import OmegaConf

from ecgtrace.provenance import provenance


def test_paths_below_the_working_folder_are_relative(tmp_path, monkeypatch):
    """Where somebody's checkout lies is nobody's business."""
    monkeypatch.chdir(tmp_path)
    cfg = OmegaConf.create(
        {"output_dir": f"{tmp_path}/runs/x", "deep": [{"root": f"{tmp_path}/data"}], "n": 1}
    )
    assert provenance(cfg)["config"] == {"output_dir": "runs/x", "deep": [{"root": "data"}], "n": 1}

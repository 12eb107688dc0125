"""The fit that makes a confidence mean what it says; `reliability` says whether it does."""

from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from ecgtrace.digitization.confidence import FEATURES, Calibration
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.provenance import provenance
from ecgtrace.studies import study
from ecgtrace.studies.judging import judge_all
from ecgtrace.studies.reliability import NAME, SUBSETS, kind_of, sources_of
from ecgtrace.types import FloatArray


def fit_calibration(
    features: FloatArray, right: NDArray[np.bool_], weight: FloatArray, penalty: float
) -> tuple[Calibration, float]:
    """
    Fit the logistic function from features to the probability of being right, by Newton's method.

    Parameters
    ----------
    features : ndarray of float, shape (n_samples, n_features)
    right : ndarray of bool, shape (n_samples,)
    weight : ndarray of float, shape (n_samples,)
    penalty : float
        On the squared weights, not on the intercept, in units of the mean log loss.

    Returns
    -------
    calibration : Calibration
    log_loss : float
        Weighted mean, without the penalty.
    """
    x = np.column_stack([np.ones(len(features)), features])
    share = weight / weight.sum()
    ridge = np.diag([1e-9, *np.full(features.shape[1], penalty)])
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (share * (right - p)) - ridge @ beta
        curvature = (x * (share * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ x + ridge
        step = np.linalg.solve(curvature, gradient)
        beta += np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-8:
            break
    p = np.clip(1 / (1 + np.exp(-x @ beta)), 1e-12, 1 - 1e-12)
    loss = -float(np.sum(share * np.where(right, np.log(p), np.log(1 - p))))
    return Calibration(float(beta[0]), tuple(float(v) for v in beta[1:])), loss


def fit(cfg: DictConfig) -> Calibration:
    """
    Fit the calibration on the configured crops, each of the same weight, and print it as YAML.

    Samples that were not recovered are left out: their confidence is 0 whatever is fitted.

    Raises
    ------
    ConfigError
        If the test split is to be fitted on, or a digitizer that has nothing to fit.
    DataError
        If no crop was digitized.
    """
    if cfg.split == "test":
        raise ConfigError("fit=true on the test split would make its numbers worthless; leave split=val")
    digitizer: Any = instantiate(cfg.digitizer)
    if not hasattr(digitizer, "calibration"):
        raise ConfigError(f"fit=true: {digitizer.name} has no calibration; choose digitizer=refined")
    sources = sources_of(cfg)
    judged = [
        one
        for name, source in sources.items()
        for one in judge_all(source, digitizer, cfg.tolerance_mv, instantiate(cfg.align), name, cfg.progress)
    ]
    if not judged:
        raise DataError("no crop of the split was digitized, so there is nothing to fit")
    features = np.concatenate([one.features for one in judged])
    right = np.concatenate([one.right for one in judged])
    weight = np.concatenate([np.full(len(one.right), 1 / len(one.right)) for one in judged])
    before = np.clip(digitizer.calibration.confidence(features), 1e-12, 1 - 1e-12)
    loss_before = -np.sum(weight * np.where(right, np.log(before), np.log(1 - before))) / weight.sum()
    calibration, loss = fit_calibration(features, right, weight, cfg.penalty)
    facts = provenance(cfg)
    command = facts["command"].replace(" run.py", f" experiments/{NAME}/run.py", 1)
    crops = pd.Series([kind_of(one.crop) for one in judged]).value_counts()
    print(f"log loss {loss_before:.4f} before, {loss:.4f} after")
    print(f"# by {study.printed_command({'command': command})}")
    state = f"{str(facts['commit'])[:7]}{' with changes' if facts['dirty'] else ''}"
    print(f"# at commit {state}: {len(right)} samples of")
    print("# " + ", ".join(f"{count} crops {SUBSETS[name]}" for name, count in crops.items()))
    print("calibration:")
    print("  _target_: ecgtrace.digitization.confidence.Calibration")
    print(f"  intercept: {calibration.intercept:.3f}")
    print(f"  weights: [{', '.join(f'{w:.3f}' for w in calibration.weights)}]  # {', '.join(FEATURES)}")
    return calibration

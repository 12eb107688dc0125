"""
The paper's numbers, in one place.

"Deep Learning-Based Digitization of Overlapping ECG Images with Open-Source Python Code",
https://arxiv.org/abs/2506.10617, Table I (no overlap) and Table II (overlap). "paper-ecg" is the
program of Fortune et al. 2022 (https://doi.org/10.1016/j.cmpb.2022.106890), the paper's
baseline. The paper gives neither intervals nor the divisor of its standard deviations.
"""

SOURCE = "arXiv 2506.10617, Tables I and II"

# By subset, then by method; keys are the statistics of `tables.STATISTICS`.
PAPER: dict[str, dict[str, dict[str, float]]] = {
    "non_overlap": {
        "paper-ecg": {
            "n": 185,
            "mse_mean": 0.0015,
            "mse_std": 0.0014,
            "mse_max": 0.0086,
            "r_mean": 0.9366,
            "r_min": 0.7838,
            "r_std": 0.0519,
        },
        "proposed": {
            "n": 185,
            "mse_mean": 0.0010,
            "mse_std": 0.0008,
            "mse_max": 0.0059,
            "r_mean": 0.9644,
            "r_min": 0.8572,
            "r_std": 0.0205,
        },
    },
    "overlap": {
        "paper-ecg": {
            "n": 100,
            "mse_mean": 0.0178,
            "mse_std": 0.0556,
            "mse_max": 0.4375,
            "r_mean": 0.8676,
            "r_min": 0.1897,
            "r_std": 0.1477,
        },
        "proposed": {
            "n": 100,
            "mse_mean": 0.0029,
            "mse_std": 0.0032,
            "mse_max": 0.0216,
            "r_mean": 0.9641,
            "r_min": 0.6256,
            "r_std": 0.0812,
        },
    },
}

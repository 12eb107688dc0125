"""A search for hyper-parameters (`train.py -m hparams_search=NAME`) goes on where it was stopped."""

import logging
import warnings
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

_SQLITE = "sqlite:///"

_log = logging.getLogger(__name__)


class ResumedSearch(Callback):
    """
    Hydra callback that prepares the Optuna study in `hydra.sweeper.storage` before the sweeper opens it.

    Hydra's sweeper on its own runs `n_trials` more each time, forgets trials that were cut off, and lets a
    seeded sampler propose the same values again. Here

    - `hydra.sweeper.n_trials` counts the finished trials of the study, whenever they were run;
    - a trial that was cut off is closed as failed, and its values are tried again before any other;
    - the sampler's seed is advanced by the number of trials that the study holds.

    A study must not be worked on by two commands at the same time: trials of the one would look cut off to
    the other. `hydra.sweeper.n_jobs` and a launcher run trials side by side within one command.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Close what was cut off, and tell the sweeper how much is left to do."""
        import optuna  # slow to import, and an extra: only where it is used

        sweeper = config.hydra.sweeper
        Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        if sweeper.storage.startswith(_SQLITE):  # which makes the file, but not its folder
            Path(sweeper.storage.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=sweeper.storage,
            study_name=sweeper.study_name,
            direction=sweeper.direction,
            load_if_exists=True,
        )
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.enqueue_trial(trial.params)
        finished = len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
        with open_dict(config):
            sweeper.n_trials = max(0, sweeper.n_trials - finished)
            sweeper.sampler.seed += len(study.trials)
        _log.info("%d trials are done, %d to go", finished, sweeper.n_trials)

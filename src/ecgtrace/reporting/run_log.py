"""What can be logged of a run, whatever stands behind it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

CONFUSION_COLUMNS = ("predicted", "true", "count")


class RunLog:
    """What can be logged of a run. This one logs nothing: the files in the run folder say it all."""

    def log_facts(self, facts: Mapping[str, Any]) -> None:
        """Add to what was known of the run at its start, such as `data_fingerprint`."""

    def log_epoch(self, metrics: Mapping[str, float]) -> None:
        """
        Log numbers of an epoch; several calls for the same epoch add up.

        Parameters
        ----------
        metrics : mapping of str to float
            With the key `epoch`, the x-axis of all curves. NaN is left out.
        """

    def log_summary(self, metrics: Mapping[str, Any]) -> None:
        """Log numbers of the run as a whole."""

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        """Log a table; missing values stay missing."""

    def log_figure(self, name: str, path: Path) -> None:
        """Log a picture in a file that browsers show (PNG)."""

    def log_confusion_matrix(self, counts: pd.DataFrame) -> None:
        """Log a confusion matrix as table and as chart; columns `predicted`, `true`, `count`."""

    def log_files(
        self, name: str, kind: str, paths: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> None:
        """
        Log files as one artefact.

        Parameters
        ----------
        name, kind : str
            As "weights-unet" and "model".
        paths : mapping of str to Path
            By name in the artefact. Those of the kind "model" must stay as they are until uploaded; of
            others a copy is kept.
        facts : mapping, optional
            At most 100.
        """

    def log_weights(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Log a weights file as an artefact of the kind "model"; `facts["network"]` names it."""
        self.log_files(f"weights-{facts.get('network', 'model')}", "model", {path.name: path}, facts)

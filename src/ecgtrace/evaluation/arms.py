"""Digitizers as arms of a comparison: composed by name, built, and given one network to share."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import ConfigError
from ecgtrace.evaluation.runner import DigitizerLike


def compose_digitizer(entry: str, name: str, option: str, without: Iterable[str] = ()) -> DictConfig:
    """
    Compose `conf/digitizer/NAME.yaml` with the options of the command line.

    Parameters
    ----------
    entry : str
        Name of the configuration of the entry point.
    name : str
    option : str
        Under which the user named the digitizer, for an error.
    without : iterable of str
        Options of the command line that begin so are left out.

    Raises
    ------
    ConfigError
        If there is no such digitizer.
    """
    given = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    kept = [text for text in given if not text.lstrip("+~").startswith(tuple(without))]
    try:
        return compose(entry, [*kept, f"digitizer={name}"]).digitizer  # type: ignore[no-any-return]
    except MissingConfigException as error:
        raise ConfigError(f"{option}: {' '.join(str(error).split())}") from error


def compose_each(entry: str, names: Iterable[str]) -> dict[str, DictConfig]:
    """
    Compose what a study names as `digitizers=[NAME,NAME]`; `digitizer.OPTION=...` holds for each of them.

    Raises
    ------
    ConfigError
        If one is named twice or none is, or if `digitizer=NAME` is given: it would be silently left out.
    """
    listed = [str(name) for name in names]
    if not listed or len(set(listed)) < len(listed):
        raise ConfigError(f"digitizers: name each once, and at least one; got [{', '.join(listed)}]")
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    if any(text.lstrip("+~").startswith("digitizer=") for text in given):
        raise ConfigError("name the digitizers as digitizers=[NAME,NAME]")
    return {name: compose_digitizer(entry, name, "digitizers") for name in listed}


def build(configs: Mapping[str, DictConfig], segmenter: DictConfig | None = None) -> dict[str, Any]:
    """
    Build digitizers.

    Parameters
    ----------
    configs : mapping of str to DictConfig
    segmenter : DictConfig, optional
        One network for all whose configuration names the same; by default each has its own.
    """
    if segmenter is None:
        return {name: instantiate(config) for name, config in configs.items()}
    network = SharedNetwork(instantiate(segmenter))
    return {
        name: _with_network(config, network) if config.get("segmenter") == segmenter else instantiate(config)
        for name, config in configs.items()
    }


def _with_network(config: DictConfig, network: "SharedNetwork") -> DigitizerLike:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    digitizer: Any = instantiate(OmegaConf.create(plain | {"segmenter": None}))
    return replace(digitizer, segmenter=network)  # type: ignore[no-any-return]


class SharedNetwork:
    """
    A segmenter that remembers the last picture, for digitizers that are given the same one by turns.

    The first of them takes the network's time, as `seconds` of its row says; the others take none of it.

    Parameters
    ----------
    segmenter : object
        As `ecgtrace.segmentation.segmenter.NetworkSegmenter`.
    """

    def __init__(self, segmenter: Any) -> None:
        self.segmenter = segmenter
        self._last: tuple[NDArray[np.uint8], float | None, NDArray[np.float32]] | None = None

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return str(self.segmenter.model)

    @property
    def card(self) -> Any:
        """The card of the weights."""
        return self.segmenter.card

    def __call__(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return the target's channel of `channels`."""
        return self.channels(image, duration_s)[0]

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return what the segmenter says of a picture, shape (n_channels, height, width)."""
        last = self._last
        if last is None or last[1] != duration_s or not np.array_equal(last[0], image):
            last = (image.copy(), duration_s, self.segmenter.channels(image, duration_s))
            self._last = last
        return last[2].copy()  # whoever writes into it does not change what the next one sees

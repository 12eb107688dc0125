"""The reader of pages that goes with a digitizer of leads."""

from functools import lru_cache
from typing import Any

from ecgtrace.page_reading.read import PageReader


def page_reader(
    digitizer: Any, weights: str = "shipped", device: str = "auto", lead_weights: str | None = None
) -> PageReader | None:
    """
    Return what reads pages that are pictures.

    Parameters
    ----------
    digitizer : callable
        Reads the leads of a page.
    weights : str, optional
        Of the page network: "shipped", or a file that `train.py model=page` wrote.
    device : str, optional
        Where networks run.
    lead_weights : str, optional
        Of a lead network: a file that `train.py model=lead` wrote. By default the digitizer's own network,
        which sees one lead at a time, tells the ink of leads.

    Returns
    -------
    PageReader or None
        None for a digitizer that cannot be told where on a page its lead lies: `refined` alone can.
    """
    from ecgtrace.digitization.refined import RefinedDigitizer  # numba is slow to import

    if not isinstance(digitizer, RefinedDigitizer):
        return None
    return PageReader(
        _network(weights, device), digitizer, _names(device), _text(), _leads(lead_weights, device)
    )


@lru_cache(maxsize=2)  # weights are read once, however many pages come
def _network(weights: str, device: str) -> Any:
    from ecgtrace.page_ink.network import PageNetwork  # torch is slow to import

    return PageNetwork(weights, device)


@lru_cache(maxsize=1)
def _names(device: str) -> Any:
    from ecgtrace.page_ink.name_reader import NameReader  # torch is slow to import

    return NameReader(device=device)


@lru_cache(maxsize=2)
def _leads(weights: str | None, device: str) -> Any:
    from ecgtrace.page_ink.lead_network import LeadNetwork  # torch is slow to import

    return LeadNetwork(weights, device) if weights else None


@lru_cache(maxsize=1)
def _text() -> Any:
    from ecgtrace.page_text.recognizer import TextRecognizer

    return TextRecognizer()

"""
Errors that a user can act on.

Each message is one line that says what is wrong and what to do. A command that handles
many inputs turns them into rows of its table; a command that handles one exits with them.
"""


class EcgTraceError(Exception):
    """Base of all errors that `ecgtrace` raises on purpose."""


class InputImageError(EcgTraceError):
    """An input file cannot be read as an image of a lead."""


class WholePageError(InputImageError):
    """What should be the picture of one lead is a whole page."""


class PageError(EcgTraceError):
    """A page cannot be read as an ECG."""


class NoTracesError(PageError):
    """A page of lines and letters draws no traces: it is a picture or a text."""


class GridNotFoundError(EcgTraceError):
    """No periodic grid stands out of the image, so there is no scale."""


class PageGridNotFoundError(WholePageError, GridNotFoundError):
    """What should be the picture of one lead is a page by its ink, and no scale of a lead is found on it."""


class TraceNotFoundError(EcgTraceError):
    """The image, or the mask made from it, holds no trace."""


class WeightsError(EcgTraceError):
    """Weights are missing, or were made for another network."""


class DataError(EcgTraceError):
    """A record or a dataset on disk is missing, broken or contradicts itself."""


class ConfigError(EcgTraceError):
    """A configuration value is out of its range."""

"""What a page says in letters: lead names, speed and gain."""

import re
import unicodedata

from ecgtrace.reading import GAINS_MM_PER_MV, SPEEDS_MM_PER_S

_NAME = re.compile(
    r"(?P<minus>-)?(?P<name>III|II|I|aV[RLF]|[VC](?P<chest>[1-9])(?P<right>R)?)(?P<after>-)?", re.IGNORECASE
)
_NUMBER = r"(\d{1,3}(?:[.,]\d+)?)"
# Latin and Cyrillic letters; "sek", "сек" and "sec" are seconds.
_SPEED = re.compile(_NUMBER + r"\s*(?:mm|мм)\s*/\s*(?:s|sec|sek|с|сек)(?![a-zа-я])", re.IGNORECASE)
# A bar between speed and gain is read as a 1 or an I.
_BAR = re.compile(r"(?<=/s)\s*[1Il|](?=(?:2[.,]5|5|10|20)\s*mm\s*/\s*mV)", re.IGNORECASE)
_GAIN = re.compile(_NUMBER + r"\s*(?:mm|мм)\s*/\s*(?:mV|мВ)(?![a-zа-я])", re.IGNORECASE)


def lead_name(text: str) -> str:
    """
    Return the lead that a printed word names, as the field writes it; empty where it names none.

    Examples
    --------
    >>> [lead_name(text) for text in ("II", "AVR", "-aVR", "C4", "V3r", "V1:", "Vent.", "i", "v2")]
    ['II', 'aVR', '-aVR', 'V4', 'V3R', 'V1', '', '', 'V2']
    """
    plain = unicodedata.normalize("NFKC", text).strip(" :.,").replace("\N{MINUS SIGN}", "-").replace("–", "-")
    found = _NAME.fullmatch(plain)
    if not found:
        return ""
    name = found["name"]
    if found["chest"]:
        name = f"V{found['chest']}{'R' if found['right'] else ''}"
    elif name.lower().startswith("av"):
        name = "aV" + name[2].upper()
    elif name != name.upper():
        return ""
    return "-" + name if found["minus"] or found["after"] else name


def speeds_mm_per_s(text: str) -> tuple[float, ...]:
    """
    Return the paper speeds that a text names, each once, in its order.

    Examples
    --------
    >>> speeds_mm_per_s("25mm/s 10mm/mV, 25 mm/sec")
    (25.0,)
    """
    return _numbers(_SPEED, text, SPEEDS_MM_PER_S)


def gains_mm_per_mv(text: str) -> tuple[float, ...]:
    """
    Return the gains that a text names, each once, in its order.

    Examples
    --------
    >>> gains_mm_per_mv("limb 10 mm/mV, chest 5 mm/mV"), gains_mm_per_mv("25mm/s15mm/mV")
    ((10.0, 5.0), (5.0,))
    """
    return _numbers(_GAIN, _BAR.sub(" ", text), GAINS_MM_PER_MV)


def _numbers(pattern: re.Pattern[str], text: str, known: tuple[float, ...]) -> tuple[float, ...]:
    plain = unicodedata.normalize("NFKC", text)
    values = (float(match.replace(",", ".")) for match in pattern.findall(plain))
    return tuple(dict.fromkeys(value for value in values if value in known))

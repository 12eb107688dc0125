"""Printed names read a second time, by the recognizer of text: it tells numbers and words from leads."""

import re
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_ink.patches import LETTER_GAP_MM, print_parts
from ecgtrace.page_text.lines import cut_lines
from ecgtrace.page_text.page_print import Read
from ecgtrace.types import FloatArray
from ecgtrace.vector.printed import lead_name

_MARGIN_MM = 0.6
_USUAL_MM = (7.0, 3.5)  # width and height of a name, where the map shows none
_LARGEST_MM = (16.0, 7.0)  # of any
_READ = 0.8  # score of text that counts
# Of text that was read beyond doubt, against the name network; less than half of text of 0.89, none of 0.6.
_WEIGHT, _UNSURE = 0.7, 0.6
_WELL = 0.95  # of a name by the network
_SENTENCE = frozenset("(),;")
_CHEST = re.compile(r"[lI1|]?[VvCc](?P<number>[1-6IlSsGZzA])")
_AS_NUMBER = {"I": "1", "l": "1", "Z": "2", "z": "2", "A": "4", "S": "5", "s": "5", "G": "6"}
_CUT_OFF = re.compile(r"V[RLF]", re.IGNORECASE)
_NO_NAME = 0.9  # score of text that is no name
_STROKES = frozenset("1Iil|!/")  # letters and numbers of these alone may be I, II or III
_NUMBERS = 5  # so many make a scale of seconds, whose 1 and 11 are none of I and II


def read_again(
    names: Sequence[FoundName],
    image: NDArray[np.uint8],
    maps: PageMaps,
    read: Read,
) -> list[FoundName]:
    """
    Let a recognizer of text read the names, too.

    Where it reads a lead's name, that counts for more than what the name network says; where it reads a
    number or a word, there is no name. Of I, II and III, which are strokes, it can tell nothing.

    Parameters
    ----------
    names : sequence of FoundName
        In px of the maps.
    image : ndarray of uint8, shape (height, width, 3)
        RGB; the page that `maps` were made of.
    maps : PageMaps
    read : callable
        What stands in a picture, and the mean score of its letters.

    Returns
    -------
    list of FoundName
        The surest first.
    """
    if not names:
        return []
    said = [read(line) for line in cut_lines(image, _boxes(names, maps), maps)]
    numbers = sum(_is_number(text, score) and not set(text) <= _STROKES for text, score in said)
    kept = []
    for name, (text, score) in zip(names, said, strict=True):
        lead = chest_or_augmented(text)
        if lead and score >= _READ:
            kept.append(_with(name, lead, _WEIGHT * (score - _UNSURE) / (1 - _UNSURE)))
        elif not _is_none(name, text, score, numbers >= _NUMBERS):
            kept.append(name)
    return sorted(kept, key=lambda name: -name.score)


def _is_none(name: FoundName, text: str, score: float, numbered: bool) -> bool:
    """Tell whether what was taken for a name is a number or a word; so is 1 beside a scale of seconds."""
    letters = [letter for letter in text.upper() if letter.isalnum()]
    if score < _NO_NAME or not letters:
        return False
    if set(text.strip(" :.")) <= _STROKES:
        return numbered and text.isdigit()
    if text.isdigit() or set(text) & _SENTENCE:
        return True
    # A first letter that a wave crosses is read as another one; the last still tells.
    return len(letters) >= 2 and name.score < _WELL and letters[-1] != name.name[-1].upper()


def chest_or_augmented(text: str) -> str:
    """
    Return the lead that a text names, other than I, II and III; empty where it names none.

    Letters that stand for a number, a bar before the name and a first letter that was cut off are known.

    Examples
    --------
    >>> [chest_or_augmented(text) for text in ("V5:", "VI", "lv2", "VR", "-aVR", "VS", "aVF)", "II", "HF")]
    ['V5', 'V1', 'V2', 'aVR', '-aVR', 'V5', '', '', '']
    """
    plain = text.strip(" :.,")
    found = _CHEST.fullmatch(plain)
    if found:
        plain = "V" + _AS_NUMBER.get(found["number"], found["number"])
    elif _CUT_OFF.fullmatch(plain):
        plain = "a" + plain
    lead = lead_name(plain)
    return lead if lead in NAME_CLASSES and "V" in lead else ""


def _with(name: FoundName, lead: str, weight: float) -> FoundName:
    scores = np.zeros(len(NAME_CLASSES)) if not name.scores else np.asarray(name.scores)
    scores = (1 - weight) * scores
    scores[NAME_CLASSES.index(lead)] += weight
    best = int(scores.argmax())
    return replace(name, name=NAME_CLASSES[best], score=float(scores[best]), scores=tuple(scores.tolist()))


def _is_number(text: str, score: float) -> bool:
    return score >= _NO_NAME and text.isdigit()


def _boxes(names: Sequence[FoundName], maps: PageMaps) -> FloatArray:
    """Return the box of the print about each name, in px of the maps."""
    labels, stats = print_parts(maps, LETTER_GAP_MM)
    boxes = []
    margin = _MARGIN_MM * MAP_PX_PER_MM
    for name in names:
        x, y = round(name.x), round(name.y)
        part = labels[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        own = int(part[part > 0][0]) if (part > 0).any() else 0
        left, top, width, height = (float(side) for side in stats[own, : cv2.CC_STAT_AREA])
        if not own or max(width / _LARGEST_MM[0], height / _LARGEST_MM[1]) > MAP_PX_PER_MM:
            width, height = (side * MAP_PX_PER_MM for side in _USUAL_MM)
            left, top = name.x - width / 2, name.y - height / 2
        boxes.append((left - margin, top - margin, left + width - 1 + margin, top + height - 1 + margin))
    return np.asarray(boxes)

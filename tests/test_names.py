"""Printed names: patches of pages, and the network that reads them."""

import numpy as np
import pytest
import torch

from ecgtrace.datasets.page_training import TrainingPage, TrainingPages
from ecgtrace.drawing.page_truth import NameBox, PageTargets
from ecgtrace.drawing.printers import Printer
from ecgtrace.errors import WeightsError
from ecgtrace.page_ink.maps import NAME_CLASSES, PageMaps
from ecgtrace.page_ink.name_net import NO_NAME, NameNet
from ecgtrace.page_ink.name_reader import NameReader, load_name_network, save_name_weights
from ecgtrace.page_ink.patches import PATCH_PX, cut_patches, words_on
from ecgtrace.records import SampleRecords
from ecgtrace.training.name_patches import page_patches


def maps_of(text, names=None, page_px=(2.0, 2.0)):
    nothing = np.zeros(text.shape, np.float32)
    heat = np.zeros((len(NAME_CLASSES), *text.shape), np.float32) if names is None else names
    return PageMaps(nothing, nothing, nothing, text.astype(np.float32), nothing, heat, page_px)


def test_a_patch_shows_the_surroundings_of_its_point_at_one_resolution():
    image = np.full((200, 300, 3), 255, np.uint8)
    image[96:105, 146:155] = 0  # a square of 2.25 mm about (150, 100)
    for factor in (1, 2, 3):
        large = np.repeat(np.repeat(image, factor, 0), factor, 1)
        middle = np.array([[150 * factor + (factor - 1) / 2, 100 * factor + (factor - 1) / 2]])
        patch = cut_patches(large, middle, 4.0 * factor, 4.0 * factor)[0]
        assert patch.shape == (*PATCH_PX, 3)
        dark = np.argwhere(patch[..., 0] < 128)
        np.testing.assert_allclose(dark.mean(axis=0), [23.5, 55.5], atol=1.0)
        np.testing.assert_allclose(np.ptp(dark, axis=0) + 1, 18, atol=1.5)  # 2.25 mm at 8 px/mm


def test_a_patch_at_the_corner_of_a_page_goes_on_with_its_edge():
    image = np.full((60, 80, 3), 200, np.uint8)
    patch = cut_patches(image, np.array([[0.0, 0.0], [79.0, 59.0], [-50.0, 400.0]]), 8.0, 8.0)
    assert (patch == 200).all()


def test_words_are_short_print():
    text = np.zeros((200, 400))
    text[40:50, 60:66] = text[40:50, 68:72] = 1  # two letters, half a millimetre apart
    text[80:90, 60:250] = 1  # a sentence
    text[120:122, 100:140] = 1  # a rule
    text[150:154, 300:301] = 1  # a dot
    places = words_on(maps_of(text))
    np.testing.assert_allclose(places[0], [65.5, 44.5])
    assert len(places) == 2  # of the dot, a thin I of 1 mm, the network decides


def planted_page():
    image = np.full((800, 1200, 3), 255, np.uint8)
    classes = np.zeros((400, 600), np.uint8)
    classes[300:304, 40:500] = 1
    classes[20:28, 300:400] = 4
    names = (NameBox("V1", 80, 40, 10, 8), NameBox("II", 200, 140, 10, 8))
    offset = np.full(classes.shape, np.nan, np.float32)
    for number, name in enumerate(names):  # a mark of its own colour at each name
        y, x = round(2 * name.y), round(2 * name.x)
        image[y - 8 : y + 8, x - 8 : x + 8] = 50 + 50 * number
    return TrainingPage(image, 8.0, 8.0, PageTargets(classes, offset, names, 4.0))


def test_patches_for_training_show_the_name_of_their_class_near_the_middle():
    patches, classes = page_patches(planted_page(), 40, np.random.default_rng(0))
    assert len(patches) == len(classes) == 40
    assert (classes != NO_NAME).sum() == 20
    for patch, kind in zip(patches, classes, strict=True):
        middle = patch[12:36, 30:82, 0]
        grey = {NAME_CLASSES.index("V1"): 50, NAME_CLASSES.index("II"): 100}.get(int(kind))
        if grey is not None:
            assert (np.abs(middle.astype(int) - grey) < 10).sum() > 60
        else:  # what is no name may show a part of one at its side, never in the middle
            assert (patch[20:28, 48:64, 0] > 120).mean() > 0.7


def test_patches_depend_on_page_and_seed_alone():
    pages = TrainingPages(SampleRecords(), Printer(), px_per_mm=(4.0, 6.0))
    one, two = (page_patches(pages[3], 12, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert {NAME_CLASSES[k] for k in one[1] if k != NO_NAME} <= {n.name for n in pages[3].targets.names}


def test_weights_are_kept_and_others_refused(tmp_path):
    network = NameNet((8, 8, 16, 16)).eval()
    save_name_weights(network, {"steps": 3}, tmp_path / "names.safetensors")
    again, card = load_name_network(tmp_path / "names.safetensors")
    assert card.training == {"steps": 3}
    image = torch.rand(2, 3, *PATCH_PX)
    torch.testing.assert_close(again(image), network(image), atol=0.02, rtol=0.02)
    (tmp_path / "no.safetensors").write_bytes(b"no")
    for name, words in (("none", "no name weights"), ("no.safetensors", "not a safetensors file")):
        with pytest.raises(WeightsError, match=words):
            load_name_network(tmp_path / name)


class Planted(NameReader):
    """Says V2 where the patch is dark in the middle, else that no name is there."""

    def shares(self, patches):
        dark = patches[:, 20:28, 50:62].mean(axis=(1, 2, 3)) < 128
        shares = np.zeros((len(patches), NO_NAME + 1))
        shares[dark, NAME_CLASSES.index("V2")], shares[dark, NO_NAME] = 0.9, 0.1
        shares[~dark, NO_NAME] = 1.0
        return shares


def test_the_reader_looks_where_the_maps_show_a_name_or_a_word_and_says_each_once():
    text = np.zeros((200, 300))
    text[48:53, 98:103] = 1  # a word in the picture
    text[90:95, 200:205] = 1  # one that is not there
    heat = np.zeros((len(NAME_CLASSES), 200, 300), np.float32)
    heat[3, 51, 102] = 0.2  # the same word, taken for aVR
    image = np.full((400, 600, 3), 255, np.uint8)
    image[92:112, 190:214] = 0
    (found,) = Planted()(image, 8.0, 8.0, maps_of(text, heat))
    assert found.name == "V2"
    assert found.score == pytest.approx(0.9)
    assert np.hypot(found.x - 100.5, found.y - 50.5) < 3
    assert len(found.scores) == len(NAME_CLASSES)
    assert Planted()(image, 8.0, 8.0, maps_of(np.zeros((200, 300)))) == []

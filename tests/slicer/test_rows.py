"""The volumes of a run: rows, what the scene knows of them, windows and colour maps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from MedFuseLib import rows
from MedFuseLib.modalities import FUNCTIONAL, MODALITIES, known_modality
from MedFuseLib.rows import Row
from MedFuseLib.windows import COLOUR_MAPS, CT_WINDOWS, offered_windows, window_problem
from scene_factory import add_volume, parameters

from medfuse import Volume, colour, intensity, volume
from medfuse.errors import ParameterError
from medfuse.phantom import SCANS, sample_study


@pytest.fixture
def nodes(scene):
    return [add_volume(np.zeros((2, 3, 4), np.float32), np.eye(4), name) for name in ("CT", "T1", "PET")]


def told(node, modality):
    node.SetAttribute("DICOM.Modality", modality)
    return node


def kept(shown):
    """The rows after a stay in a parameter node."""
    return rows.rows_of(SimpleNamespace(**rows.stored(shown)))


def said(shown):
    return [(row.node, row.is_fixed, row.chosen_modality, row.window, row.colour_map) for row in shown]


class TestRows:
    def test_the_first_volume_is_fixed_and_the_next_ones_move(self, nodes):
        shown = ()
        for node in nodes:
            shown = rows.added(shown, node)
        assert said(shown) == [(node, i == 0, "", "", "") for i, node in enumerate(nodes)]
        assert said(kept(shown)) == said(shown)

    def test_what_was_said_goes_with_the_volume_when_another_one_is_fixed(self, nodes):
        shown = tuple(Row(node, i == 0, *"abc") for i, node in enumerate(nodes[:2]))
        shown = (*shown, Row(nodes[2], False, "NM", "1%-99%", "hot"))
        turned = kept(rows.fixed_at(shown, 2))
        assert [row.node for row in turned] == [nodes[2], nodes[0], nodes[1]]
        assert [row.is_fixed for row in turned] == [True, False, False]
        assert said(turned)[0][2:] == ("NM", "1%-99%", "hot")
        assert said(turned)[1][2:] == ("A", "b", "c")

    def test_a_row_that_is_taken_out_takes_along_what_was_said_of_it(self, nodes):
        shown = tuple(Row(node, i == 0, "", f"{i}/9", "") for i, node in enumerate(nodes))
        left = kept(rows.removed(shown, 1))
        assert [(row.node, row.window) for row in left] == [(nodes[0], "0/9"), (nodes[2], "2/9")]

    def test_without_the_fixed_one_the_next_volume_that_is_added_is_it(self, nodes):
        left = kept(rows.removed((Row(nodes[0], True), Row(nodes[1], False, "MR", "1/2")), 0))
        assert said(left) == [(nodes[1], False, "MR", "1/2", "")]
        assert [row.is_fixed for row in kept(rows.added(left, nodes[0]))] == [True, False]
        assert [row.is_fixed for row in kept(rows.fixed_at(left, 0))] == [True]

    def test_a_fixed_one_can_be_made_moving(self, nodes):
        shown = rows.fixed_at((Row(nodes[0], True),), 0, is_fixed=False)
        assert [row.is_fixed for row in kept(shown)] == [False]

    def test_another_volume_in_the_same_place_is_not_taken_for_the_last_one(self, nodes):
        shown = rows.with_node((Row(nodes[0], True, "CT", "brain"),), 0, nodes[1])
        assert said(shown) == [(nodes[1], True, "", "", "")]

    def test_a_volume_that_left_the_scene_leaves_the_others_what_was_said_of_them(self, nodes):
        held = parameters(nodes[0], None, nodes[2], modalities=["CT", "MR", "PT"], windows=["bone", "1/2"])
        assert said(rows.rows_of(held)) == [
            (nodes[0], True, "CT", "bone", ""),
            (nodes[2], False, "PT", "", ""),
        ]

    def test_another_modality_forgets_what_does_not_suit_it(self, nodes):
        shown = (Row(nodes[0], True, "CT", "brain"), Row(nodes[1], False, "PT", "3/4", "hot"))
        shown = rows.changed(rows.changed(shown, 0, modality="MR"), 1, modality="CT")
        assert said(shown) == [(nodes[0], True, "MR", "", ""), (nodes[1], False, "CT", "3/4", "")]

    def test_choosing_what_is_known_is_no_choice(self, nodes):
        told(nodes[0], "CT")
        shown = rows.changed((Row(nodes[0], True, "MR"),), 0, modality="CT")
        assert (shown[0].chosen_modality, shown[0].modality) == ("", "CT")

    def test_colour_maps_are_for_functional_volumes(self, nodes):
        assert [Row(nodes[0], True, one).has_colour_map for one in ("CT", "MR", "US", "PT", "NM", "OT")] == [
            False, False, False, True, True, False,
        ]  # fmt: skip
        assert Row(nodes[0], True, "MR", "", "hot").has_colour_map  # a script asked for it

    def test_the_hint_names_what_is_not_known(self, nodes):
        shown = (Row(told(nodes[0], "CT"), True), Row(nodes[1], False), Row(nodes[2], False, "PT"))
        assert rows.hint(shown).startswith('Choose the modality of "T1":')
        assert rows.hint((shown[0], shown[2])) == ""


class TestKnownModality:
    def test_nothing(self, nodes):
        assert known_modality(nodes[0]) == ("", "")

    def test_from_the_series(self, scene, nodes):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), nodes[0])
        assert known_modality(nodes[0]).modality == ""
        hierarchy.SetItemAttribute(item, "DICOM.Modality", "CT")
        assert known_modality(nodes[0]) == ("CT", "DICOM series")
        hierarchy.SetItemAttribute(item, "DICOM.Modality", "RTDOSE")
        assert known_modality(nodes[0]).modality == ""

    @pytest.mark.parametrize("name", ["MedFuse.Modality", "DICOM.Modality"])
    def test_from_an_attribute(self, nodes, name):
        nodes[0].SetAttribute(name, "US")
        assert known_modality(nodes[0]) == ("US", f"attribute {name}")

    @pytest.mark.parametrize(
        ("code", "modality"),
        [("[hnsf'U]", "CT"), ("{SUVbw}g/ml", "PT"), ("{SUVlbm}g/ml", "PT"), ("mm2/s", "")],
    )
    def test_from_the_unit_of_the_values(self, nodes, code, modality):
        unit = slicer.vtkCodedEntry()
        unit.SetValueSchemeMeaning(code, "UCUM", "")
        nodes[0].SetVoxelValueUnits(unit)
        assert known_modality(nodes[0]).modality == modality

    @pytest.mark.parametrize(("code", "modality"), [("112031", "CT"), ("126401", "PT"), ("110852", "")])
    def test_from_the_quantity_of_the_values(self, nodes, code, modality):
        quantity = slicer.vtkCodedEntry()
        quantity.SetValueSchemeMeaning(code, "DCM", "")
        nodes[0].SetVoxelValueQuantity(quantity)
        assert known_modality(nodes[0]).modality == modality


class TestWhatMedfuseKnows:
    def test_modalities_colour_maps_and_windows(self):
        assert tuple(MODALITIES) == volume.MODALITIES
        assert COLOUR_MAPS == colour.COLOUR_MAPS
        assert CT_WINDOWS == intensity.CT_WINDOWS

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_colour_by_default(self, modality):
        (chosen,) = intensity.colour_map_specs([], [modality])
        assert (chosen == COLOUR_MAPS[0]) == (modality in FUNCTIONAL)
        assert chosen in (COLOUR_MAPS[0], "none")

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_every_window_that_is_offered_is_one(self, scans, modality):
        for spec in offered_windows(modality):
            assert window_problem(spec, modality) == ""
            assert intensity.choose_window(scans[modality], spec).upper

    @pytest.mark.parametrize(
        "spec",
        ["40/80", "-600.5/+1500", "40/0", "40/-8", "40", "40-80", "1%-99%", "0%-100%", "99%-1%", "5%-5%",
         "-1%-99%", "1%-101%", "1-99%", "brain", "Brain", "brian", "auto", "inferno", "1e2/3", "4,5/6"],
    )  # fmt: skip
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    def test_what_is_typed_is_judged_as_medfuse_does(self, scans, spec, modality):
        try:
            intensity.choose_window(scans[modality], spec)
        except ParameterError:
            assert window_problem(spec, modality)
        else:
            assert window_problem(spec, modality) == ""


@pytest.fixture(scope="module")
def scans() -> dict[str, Volume]:
    """A volume of each modality, with air around it."""
    ct, other = (sample_study(list(SCANS)[:2]).volumes[key] for key in list(SCANS)[:2])
    return {one: ct if one == "CT" else Volume(other.array, other.geometry, one) for one in MODALITIES}

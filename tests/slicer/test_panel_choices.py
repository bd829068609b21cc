"""The panel at work: rows of volumes, plain choices, the verdict and the blend to the fixed volume."""

from __future__ import annotations

import pytest
from MedFuseLib.choices import CHOICES, OTHER, choice_of
from MedFuseLib.verdicts import BADGES, Finding
from panel_factory import (
    FakeResults,
    FakeRun,
    choose,
    editors,
    fill,
    frame,
    layers,
    pick,
    shown_frames,
    volume,
)


def parameters(panel):
    return panel.logic.getParameterNode()


def texts(box):
    return [box.itemText(i) for i in range(box.count)]


def checked(panel):
    (key,) = (key for key, button in panel.choiceButtons.buttons.items() if button.checked)
    return key


def press(panel, key):
    panel.choiceButtons.buttons[key].click()


class TestRows:
    def test_a_row_for_each_volume(self, panel):
        assert shown_frames(panel) == []
        fixed, moving = fill(panel)
        assert [one.node.currentNode() for one in shown_frames(panel)] == [fixed, moving]
        assert [one.role.currentText for one in shown_frames(panel)] == ["fixed", "moving"]
        assert [one.window.currentText for one in shown_frames(panel)] == ["auto", "auto"]
        assert panel.volumeRows.adder.currentNode() is None
        assert parameters(panel).fixedVolume is fixed
        assert parameters(panel).movingVolumes == [moving]

    def test_the_modality_is_what_the_scene_knows_and_can_be_changed(self, panel):
        node = volume("CT")
        node.SetAttribute("DICOM.Modality", "CT")
        panel.volumeRows.adder.setCurrentNode(node)
        row = frame(panel, 0)
        assert row.modality.currentText == "CT"
        assert parameters(panel).modalities == [""]
        assert panel.ui.volumesHint.isHidden()
        pick(row.modality, "PT (PET)")
        assert parameters(panel).modalities == ["PT"]
        pick(row.modality, "CT")
        assert parameters(panel).modalities == [""]

    def test_a_modality_that_nobody_knows_is_asked_for(self, panel):
        fill(panel)
        assert frame(panel, 1).modality.currentText == "not known"
        assert panel.ui.volumesHint.text.startswith('Choose the modality of "CT" and "MR"')
        assert not panel.ui.volumesHint.isHidden()
        pick(frame(panel, 0).modality, "CT")
        pick(frame(panel, 1).modality, "MR")
        assert parameters(panel).modalities == ["CT", "MR"]
        assert panel.ui.volumesHint.isHidden()
        assert "not known" not in texts(frame(panel, 1).modality)

    def test_windows_by_name_for_ct_alone(self, panel):
        fill(panel)
        row = frame(panel, 0)
        assert "brain" not in texts(row.window)
        pick(row.modality, "CT")
        assert {"auto", "bone", "brain", "lung"} <= set(texts(row.window))
        pick(row.window, "brain")
        assert parameters(panel).windows == ["brain", ""]
        pick(row.modality, "MR")
        assert (parameters(panel).windows, row.window.currentText) == (["", ""], "auto")

    def test_a_window_can_be_typed_and_a_wrong_one_says_so(self, panel):
        fill(panel)
        pick(frame(panel, 1).window, "4")
        assert not panel.ui.applyButton.enabled
        assert panel.ui.applyButton.toolTip.startswith('The window "4" of "MR" is none')
        assert frame(panel, 1).window.currentText == "4"
        pick(frame(panel, 1).window, "40/80")
        assert panel.ui.applyButton.enabled
        assert parameters(panel).windows == ["", "40/80"]
        pick(frame(panel, 1).window, "")  # while it is typed over
        assert (parameters(panel).windows, frame(panel, 1).window.currentText) == (["", ""], "")

    def test_colours_are_offered_for_functional_volumes_alone(self, panel):
        fill(panel)
        row = frame(panel, 1)
        assert row.colour_map.isHidden()
        pick(row.modality, "NM (SPECT)")
        assert not row.colour_map.isHidden()
        assert texts(row.colour_map) == ["auto", "inferno", "magma", "hot", "gist_heat", "none"]
        pick(row.colour_map, "hot")
        assert parameters(panel).colourMaps == ["", "hot"]
        pick(row.modality, "MR")
        assert row.colour_map.isHidden()
        assert parameters(panel).colourMaps == ["", ""]

    def test_another_fixed_volume_takes_along_what_was_said(self, panel):
        fixed, moving = fill(panel)
        pick(frame(panel, 1).modality, "MR")
        pick(frame(panel, 1).window, "1%-99%")
        pick(frame(panel, 1).role, "fixed")
        assert parameters(panel).fixedVolume is moving
        assert parameters(panel).movingVolumes == [fixed]
        assert parameters(panel).modalities == ["MR", ""]
        assert frame(panel, 0).node.currentNode() is moving
        assert frame(panel, 0).window.currentText == "1%-99%"
        assert frame(panel, 1).window.currentText == "auto"

    def test_rows_are_taken_out_by_their_button_and_by_none(self, panel):
        fixed, moving = fill(panel)
        frame(panel, 0).remove.click()
        assert parameters(panel).fixedVolume is None
        assert [one.node.currentNode() for one in shown_frames(panel)] == [moving]
        assert "fixed" in panel.ui.applyButton.toolTip
        pick(frame(panel, 0).role, "fixed")
        panel.volumeRows.adder.setCurrentNode(fixed)
        assert panel.ui.applyButton.enabled
        frame(panel, 1).node.setCurrentNode(None)
        assert parameters(panel).movingVolumes == []

    def test_another_volume_in_a_row(self, panel):
        fill(panel)
        pick(frame(panel, 1).modality, "MR")
        other = volume("T2")
        frame(panel, 1).node.setCurrentNode(other)
        assert parameters(panel).movingVolumes == [other]
        assert parameters(panel).modalities == ["", ""]

    def test_a_volume_that_leaves_the_scene_leaves_the_list(self, panel, scene):
        _, moving = fill(panel)
        third = volume("PET")
        panel.volumeRows.adder.setCurrentNode(third)
        pick(frame(panel, 2).modality, "PT (PET)")
        scene.RemoveNode(moving)
        assert [one.node.currentNode() for one in shown_frames(panel)][1:] == [third]
        assert frame(panel, 1).modality.currentText == "PT (PET)"
        scene.RemoveNode(third)
        assert len(shown_frames(panel)) == 1
        assert not panel.ui.applyButton.enabled

    def test_a_volume_twice_says_so(self, panel):
        fixed, _ = fill(panel)
        panel.volumeRows.adder.setCurrentNode(fixed)
        assert "chosen twice" in panel.ui.applyButton.toolTip

    def test_what_a_script_says_is_shown(self, panel):
        held = parameters(panel)
        held.fixedVolume, held.movingVolumes = volume("CT"), [volume("PET")]
        held.modalities, held.windows, held.colourMaps = ["CT", "PT"], ["lung"], ["", "magma"]
        assert [one.modality.currentText for one in shown_frames(panel)] == ["CT", "PT (PET)"]
        assert [one.window.currentText for one in shown_frames(panel)] == ["lung", "auto"]
        assert frame(panel, 1).colour_map.currentText == "magma"


class TestChoices:
    def test_automatic_is_the_first_and_what_is_done_unasked(self, panel):
        assert [button.text.partition(":")[0] for button in panel.choiceButtons.buttons.values()] == [
            "Automatic", "Quick", "Careful", "As published", "Other",
        ]  # fmt: skip
        assert checked(panel) == "automatic"
        assert panel.ui.otherGroup.isHidden()
        assert panel.ui.parametersSection.collapsed

    @pytest.mark.parametrize(
        ("key", "method", "preset"),
        [("quick", "pca", "auto"), ("careful", "dip", "balanced"), ("published", "dip", "paper"),
         ("automatic", "auto", "auto")],
    )  # fmt: skip
    def test_a_plain_choice_is_a_method_and_a_preset(self, panel, key, method, preset):
        choose(panel, "method", "gff")
        press(panel, key)
        assert (parameters(panel).method, parameters(panel).preset) == (method, preset)
        assert checked(panel) == key
        assert panel.ui.otherGroup.isHidden()
        assert choice_of(method, preset).key == key

    def test_every_plain_choice_has_a_method_but_other(self):
        assert [choice.key for choice in CHOICES if not choice.method] == [OTHER]

    def test_other_offers_all_and_changes_nothing_by_itself(self, panel):
        press(panel, "careful")
        press(panel, "other")
        assert (parameters(panel).method, parameters(panel).preset) == ("dip", "balanced")
        assert checked(panel) == "other"
        assert not panel.ui.otherGroup.isHidden()
        assert {"pca", "gff", "ifcnn"} <= set(texts(panel.ui.methodSelector))
        choose(panel, "method", "pca")
        assert checked(panel) == "other"  # it stays open while the user looks round
        press(panel, "quick")
        assert panel.ui.otherGroup.isHidden()

    def test_a_method_without_a_plain_choice_is_other(self, panel):
        parameters(panel).method = "laplacian"
        assert checked(panel) == "other"
        assert panel.ui.methodSelector.currentText == "laplacian"

    def test_a_plain_choice_forgets_single_parameters(self, panel):
        press(panel, "careful")
        editors(panel)["steps"].text = "9"
        assert panel.ui.parametersSection.text == "Parameters (1 changed)"
        assert checked(panel) == "careful"
        press(panel, "published")
        assert parameters(panel).methodParameters == {}
        assert panel.ui.parametersSection.text == "Parameters"

    def test_the_expected_time_follows_choice_and_volume(self, panel):
        assert panel.ui.timeLabel.text == ""
        for node in (volume("CT", (48, 256, 256)), volume("MR")):
            panel.volumeRows.adder.setCurrentNode(node)
        press(panel, "quick")
        assert panel.ui.timeLabel.text.startswith(
            "Expected time: 19 to 24 s. Estimated for 48 slices of 256×256"
        )
        press(panel, "published")
        assert panel.ui.timeLabel.text.startswith("Expected time: about 39 h.")

    def test_links_are_opened_outside(self, panel):
        assert panel.ui.linksLabel.openExternalLinks
        assert "docs/methods.md'>methods</a>" in panel.ui.linksLabel.text


class TestResult:
    def end(self, panel, scene, *findings):
        fixed, _ = fill(panel)
        panel.ui.applyButton.click()
        results = FakeResults(scene, *findings)
        FakeRun.last.finish("done", "Done.", results)
        return fixed, results

    def test_nothing_before_a_run(self, panel):
        assert panel.ui.resultSection.isHidden()

    def test_verdicts_and_warnings_in_words_and_colour(self, panel, scene):
        self.end(
            panel, scene,
            Finding("doubtful", "Registration of MR", ("halves disagree",)),
            Finding("warning", "", ("spacings differ",)),
        )  # fmt: skip
        text = panel.ui.findingsLabel.text
        for words in ("doubtful", "Registration of MR", "halves disagree", "warning", "spacings differ"):
            assert words in text
        assert BADGES["doubtful"].background in text
        assert not panel.ui.resultSection.isHidden()

    def test_the_fused_volume_alone_then_faded_to_the_fixed_one(self, panel, scene):
        fixed, results = self.end(panel, scene)
        assert layers(scene) == {(results.fused.GetID(), fixed.GetID(), 0.0)}
        panel.ui.blendSlider.value = 1
        assert layers(scene) == {(results.fused.GetID(), fixed.GetID(), 1.0)}
        panel.ui.applyButton.click()
        again = FakeResults(scene)
        FakeRun.last.finish("done", "Done.", again)
        assert layers(scene) == {(again.fused.GetID(), fixed.GetID(), 0.0)}
        assert panel.ui.blendSlider.value == 0

    def test_a_failed_registration_is_told_in_the_words_of_the_panel(self, panel):
        fill(panel)
        panel.ui.applyButton.click()
        FakeRun.last.finish("failed", "registration of the moving volume failed: x. Give --initial-transform")
        text = panel.ui.findingsLabel.text
        assert BADGES["failed"].background in text
        assert "“Start from”" in text
        assert "--initial" not in text
        assert panel.ui.resultViews.isHidden()

    def test_a_failure_leaves_the_last_result_to_be_looked_at(self, panel, scene):
        fixed, results = self.end(panel, scene, Finding("ok", "Registration of MR", ()))
        panel.ui.applyButton.click()
        FakeRun.last.finish("failed", "the memory ran out.")
        assert "Registration of MR" not in panel.ui.findingsLabel.text
        panel.ui.blendSlider.value = 0.5
        assert layers(scene) == {(results.fused.GetID(), fixed.GetID(), 0.5)}

"""The panel in a running Slicer; ctest runs it there, pytest with stand-ins."""

import unittest

import slicer


class MedFusePanelTest(unittest.TestCase):
    """What the panel shows and what the parameter node holds are the same."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.widget = slicer.util.getModuleWidget("MedFuse")
        self.widget.initializeParameterNode()
        self.parameters = self.widget.logic.getParameterNode()

    def test_widgetsFollowParameters(self):
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        self.parameters.fixedVolume = volume
        self.parameters.seed = 7
        self.parameters.modalities = ["CT"]
        self.parameters.windows = ["brain"]
        self.parameters.fixedOpacity = 0.25
        row = self.widget.volumeRows.frames[0]
        self.assertEqual(row.node.currentNode(), volume)
        self.assertEqual(row.role.currentText, "fixed")
        self.assertEqual(row.modality.currentData, "CT")
        self.assertEqual(row.window.currentText, "brain")
        self.assertEqual(self.widget.ui.seedSpinBox.value, 7)
        self.assertAlmostEqual(self.widget.ui.blendSlider.value, 0.25)

    def test_parametersFollowWidgets(self):
        fixed, moving = (
            slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("CT", "MR")
        )
        for volume in (fixed, moving):
            self.widget.volumeRows.adder.setCurrentNode(volume)
        row = self.widget.volumeRows.frames[1]
        row.modality.setCurrentIndex(row.modality.findData("MR"))
        row.window.setEditText("1%-99%")
        self.widget.ui.hardenCheck.checked = True
        self.widget.choiceButtons.buttons["careful"].click()
        self.assertEqual(self.parameters.fixedVolume, fixed)
        self.assertEqual(list(self.parameters.movingVolumes), [moving])
        self.assertEqual(list(self.parameters.modalities), ["", "MR"])
        self.assertEqual(list(self.parameters.windows), ["", "1%-99%"])
        self.assertTrue(self.parameters.hardenTransforms)
        self.assertEqual((self.parameters.method, self.parameters.preset), ("dip", "balanced"))

    def test_applySaysWhatIsMissing(self):
        self.assertFalse(self.widget.ui.applyButton.enabled)
        self.assertTrue(self.widget.ui.applyButton.toolTip)


if __name__ == "__main__":
    unittest.main()

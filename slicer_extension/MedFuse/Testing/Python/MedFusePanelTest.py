"""The panel in a running Slicer; ctest runs it there, pytest with stand-ins."""

import unittest

import qt
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
        self.parameters.windows = "brain"
        self.parameters.foregroundOpacity = 0.25
        self.assertEqual(self.widget.ui.fixedSelector.currentNode(), volume)
        self.assertEqual(self.widget.ui.seedSpinBox.value, 7)
        self.assertEqual(self.widget.ui.windowsEdit.text, "brain")
        self.assertAlmostEqual(self.widget.ui.opacitySlider.value, 0.25)

    def test_parametersFollowWidgets(self):
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
        self.widget.ui.movingSelector.setCheckState(volume, qt.Qt.Checked)
        self.widget.ui.hardenCheck.checked = True
        self.assertEqual(list(self.parameters.movingVolumes), [volume])
        self.assertTrue(self.parameters.hardenTransforms)

    def test_applySaysWhatIsMissing(self):
        self.assertFalse(self.widget.ui.applyButton.enabled)
        self.assertTrue(self.widget.ui.applyButton.toolTip)


if __name__ == "__main__":
    unittest.main()

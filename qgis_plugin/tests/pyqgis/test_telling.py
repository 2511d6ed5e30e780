"""Sentences in the plugin's windows."""

import pytest
from geocloud_qgis.telling import make_label, show_text


def luminance(colour):
    """Relative luminance as WCAG has it."""
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("letters", "ground"), [("#b1b1b1", "#323232"), ("#000000", "#efefef")])
def test_an_error_can_be_read_in_dark_and_light_themes(qgis_app, letters, ground):
    """At a contrast of 4.5, which WCAG asks of letters; Night Mapping's colours and the default's."""
    from qgis.PyQt.QtGui import QColor, QPalette

    qgis_app.setStyleSheet(f"QLabel {{color: {letters}; background: {ground}}}")
    try:
        label = make_label()
        show_text(label, "It is not there.", bad=True)
        label.ensurePolished()
        shown = label.palette().color(QPalette.ColorRole.WindowText)
    finally:
        qgis_app.setStyleSheet("")
    assert shown != QColor(letters), "an error stands out"
    lights = sorted((luminance(shown), luminance(QColor(ground))))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) > 4.5


def test_names_are_shown_as_they_are(qgis_app):
    from qgis.PyQt.QtCore import Qt

    label = make_label()
    show_text(label, "<b>scene</b> & co")
    assert (label.text(), label.textFormat()) == ("<b>scene</b> & co", Qt.TextFormat.PlainText)

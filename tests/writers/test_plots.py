import numpy as np
import pytest
from PIL import Image

from geocloud.metrics.confusion import precision_recall, roc
from geocloud.metrics.histogram import histogram
from geocloud.writers.plots import plot_errors, plot_loss, plot_precision_recall, plot_roc, plot_scores


@pytest.mark.parametrize("size", [1, 5000])
def test_every_plot_is_a_picture_with_something_drawn(tmp_path, size):
    generator = np.random.default_rng(0)
    scores = histogram(generator.normal(0, 1, size).astype(np.float32), generator.random(size) < 0.5)
    path = tmp_path / "plot.png"
    for draw in (
        lambda: plot_loss([0.3] * size, path),
        lambda: plot_errors(scores, 0.02, path, "errors"),
        lambda: plot_scores(scores, -0.5, -1.0, path, "scores"),
        lambda: plot_roc([("a", roc(scores)), ("b", roc(scores))], path, "roc"),
        lambda: plot_precision_recall([("a", precision_recall(scores))], path, "pr"),
    ):
        path.unlink(missing_ok=True)
        draw()
        picture = np.asarray(Image.open(path).convert("L"))
        assert picture.size > 100_000
        assert 0.001 < (picture < 200).mean() < 0.5


def test_names_that_are_no_formula_and_letters_that_no_font_has_are_drawn(tmp_path, recwarn):
    scores = histogram(np.arange(9, dtype=np.float32), np.arange(9) > 5)
    plot_errors(scores, 3.0, tmp_path / "e.png", "a $\\frac$ 雲🛰")
    plot_roc([("$\\bad{$", roc(scores))], tmp_path / "r.png", "roc")
    assert Image.open(tmp_path / "e.png").size == Image.open(tmp_path / "r.png").size
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]

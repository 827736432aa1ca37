"""The report's page in a frame of a notebook."""

import html

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.reporting.inline import ReportFrame


def test_the_frame_holds_the_whole_page(tmp_path):
    page = '<p class="a">PSNR & SSIM</p>'
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text(page)
    text = ReportFrame(tmp_path)._repr_html_()
    assert html.unescape(text.split('srcdoc="')[1].split('" title')[0]) == page


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(InputError, match="run the stage `report` first"):
        ReportFrame(tmp_path)._repr_html_()

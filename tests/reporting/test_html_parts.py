"""The parts of a page: whatever the texts, they stay texts."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from emrnas_jax.reporting import html_parts
from emrnas_jax.reporting.figures.picture import Picture
from emrnas_jax.reporting.markup import Cell, Table

HOSTILE = """</p></figure><script>alert("&'")</script>{{ 7 * 7 }}{% raw %}$lead"""


class Texts(HTMLParser):
    """Collects tags, attributes and the words that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.values, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def picture(width=320, height=160, text="Lines."):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(stream, "png")
    return Picture("curves", stream.getvalue(), b"", text, text)


def table(text):
    return Table("one", text, text, (text,), "l", ((Cell(text, bold=True),),))


@pytest.mark.parametrize(
    ("make", "tags"),
    [
        (html_parts.paragraph, {"p"}),
        (html_parts.preformatted, {"pre"}),
        (lambda text: html_parts.folded(text, ["part"]), {"details", "summary"}),
        (
            lambda text: html_parts.picture_html(picture(text=text)),
            {"figure", "div", "img", "figcaption"},
        ),
        (
            lambda text: html_parts.to_html(table(text)),
            {"figure", "h3", "div", "table", "thead", "tr", "th", "tbody", "strong"}
            | {"figcaption"},
        ),
        (lambda text: html_parts.frame(text, 300), {"iframe"}),
    ],
)
def test_no_text_becomes_markup(make, tags):
    found = Texts(make(HOSTILE))
    assert set(found.tags) == tags
    assert any(HOSTILE in text for text in (*found.words, *found.values))


def test_parts_in_parts_are_escaped_once():
    inner = html_parts.paragraph("a & b < c")
    html = html_parts.folded("More & more", [inner, "", inner])
    assert html.count("<p>a &amp; b &lt; c</p>") == 2
    assert "<summary>More &amp; more</summary>" in html
    # A plain text among the parts is none of them, so it is escaped.
    assert "&lt;b&gt;" in html_parts.folded("s", ["<b>"])


def test_nothing_is_folded_away_where_there_is_nothing():
    assert html_parts.folded("More", []) == ""
    assert html_parts.folded("More", ["", ""]) == ""


def test_a_picture_has_its_printed_size_and_is_not_shrunk_below_60_percent():
    html = html_parts.picture_html(picture(320, 160))  # 160 dots an inch, so 2 x 1 inch
    assert 'width="192" height="96"' in html
    assert "width: min(100%, 192px); min-width: 115px" in html
    data = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    assert len(data) == 1


def test_only_the_first_cell_of_a_row_heads_it():
    rows = ((Cell("a"), Cell("1"), Cell("2", bold=True)),)
    html = html_parts.to_html(Table("t", "T", "", ("x", "y", "z"), "lrp", rows))
    assert (
        '<tr><th scope="row" class="l">a</th><td class="r">1</td>'
        '<td class="p"><strong>2</strong></td></tr>' in html
    )


def test_options_are_kept_whole_and_other_hyphens_are_not():
    cell = Cell("python -m x --stage=a-b well-known\u00a0-- end --last")
    html = html_parts.to_html(Table("t", "T", "", ("x",), "p", ((cell,),)))
    assert re.findall("<span>(.*?)</span>", html) == ["--stage=a-b", "--last"]
    assert "".join(Texts(html).words).count(cell.text) == 1


def test_every_value_that_a_page_shows_must_be_given():
    with pytest.raises(Exception, match="undefined"):
        html_parts.page_html(heading="A")


def test_the_page_has_one_link_for_every_section():
    html = html_parts.page_html(
        heading=HOSTILE,
        warnings=[HOSTILE],
        lead="",
        facts={HOSTILE: "short", "Device": "a device with a long name"},
        wide=20,
        sections={"Scores": [html_parts.paragraph("x")], "Cost": ["<plain>"]},
    )
    assert re.findall('href="#(.*?)"', html) == re.findall('section id="(.*?)"', html)
    assert "<script" not in html
    assert "&lt;plain&gt;" in html
    assert html.count('class="wide"') == 1

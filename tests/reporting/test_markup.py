"""One table for a terminal, in Markdown, in LaTeX and in HTML."""

import re
from dataclasses import replace

import pytest

from emrnas_jax.reporting.html_parts import to_html
from emrnas_jax.reporting.markup import Cell, Table, to_latex, to_markdown, to_text

AWKWARD = Table(
    name="awkward",
    title="a_b",
    caption="50 % & more",
    header=("x_1", "<i>"),
    align="lr",
    rows=((Cell("[a] & b|c"), Cell("± 1", bold=True)),),
)


def test_each_language_escapes_what_it_would_misread():
    # The writers pad their columns; a reader of the file or a program ignores that.
    latex, text = (
        " ".join(write(AWKWARD).split()) for write in (to_latex, to_markdown)
    )
    page = to_html(AWKWARD)
    assert r"{[}a{]} \& b\textbar{}c & \textbf{$\pm$ 1} \\" in latex
    assert r"\caption{50 \% \& more}" in latex
    assert r"| \[a\] & b\|c | **± 1** |" in text
    assert '<th scope="row" class="l">[a] &amp; b|c</th>' in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "<strong>± 1</strong>" in page


def test_columns_of_a_terminal_are_aligned_and_go_on_below():
    assert to_text(AWKWARD, 80) == (
        "a_b\n\nx_1        <i>\n---------  ---\n[a] & b|c  ± 1\n"
    )
    narrow = to_text(replace(AWKWARD, align="ll"), 5)  # one column does not fit either
    assert narrow == to_text(replace(AWKWARD, align="ll"), 80)
    three = Table("t", "T", "", ("a", "b", "c"), "lrr", ((Cell("1"),) * 3,))
    assert to_text(three, 4) == ("T\n\na  b\n-  -\n1  1\n\na  c\n-  -\n1  1\n")


def of_texts(*texts):
    """A table with one column, whose cells hold these texts."""
    rows = tuple((Cell(text),) for text in texts)
    return Table("one", "One", "Caption", ("Text",), "l", rows)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("50 %", r"50 \%"),
        ("a_b & c#d", r"a\_b \& c\#d"),
        ("$x^2$", r"\$x\textasciicircum{}2\$"),
        ("C:\\temp~{1}", r"C:\textbackslash{}temp\textasciitilde{}\{1\}"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("[1, 2]", "{[}1, 2{]}"),
        ("--stage", "-{}-stage"),
        ("1 – 2", "1 -- 2"),
        ("−0.5 ± 0.1 × 3", r"$-$0.5 $\pm$ 0.1 $\times$ 3"),
        ("95\u00a0%", r"95~\%"),
        ("two\nlines", "two lines"),
        ("plain text, 1.5", "plain text, 1.5"),
    ],
)
def test_latex_prints_every_letter_as_it_is(text, latex):
    (row,) = re.findall(r"\\midrule\n(.*?) *\\\\\n", to_latex(of_texts(text)))
    assert row == latex


@pytest.mark.parametrize(
    "text", ["*a*", "a_b_c", "`code`", "<b>", "[link](there)", "a|b", "back\\slash"]
)
def test_markdown_escapes_whatever_would_be_markup(text):
    *_, row = [x for x in to_markdown(of_texts(text)).splitlines() if x[:1] == "|"]
    cell = row.removeprefix("| ").removesuffix("|").rstrip()
    assert re.sub(r"\\(.)", r"\1", cell) == text
    assert not re.search(r"(?<!\\)[*_`<|\[\]]", cell)


def test_numbers_are_written_with_the_digits_that_they_were_given():
    """A writer that reads texts as numbers would align and shorten them."""
    texts = ("0.50", "1,234", "1e3", "007", "−2.0", "nan", "True")
    for write in (to_markdown, to_latex):
        written = write(of_texts(*texts)).replace("$-$", "−")
        assert [text for text in texts if text in written] == list(texts)


def test_columns_that_wrap_share_three_quarters_of_the_line():
    table = Table("t", "T", "", ("a", "b", "c"), "lpp", ((Cell("1"),) * 3,))
    columns = r"lp{0.38\linewidth}p{0.38\linewidth}"
    assert rf"\begin{{tabular}}{{{columns}}}" in to_latex(table)


def test_alignment_is_kept_in_markdown():
    table = Table("t", "T", "", ("a", "b", "c"), "lrp", ((Cell("1"),) * 3,))
    rule = to_markdown(table).splitlines()[3]
    assert re.fullmatch(r"\|:-+\|-+:\|:-+\|", rule)


def test_a_table_without_rows_has_its_header_alone():
    table = Table("t", "T", "Why.", ("a", "b"), "lr", ())
    assert [line for line in to_markdown(table).splitlines() if "a" in line]
    assert r"\midrule" in to_latex(table)
    assert "<tbody>\n</tbody>" in to_html(table)
    assert to_text(table, 80) == "T\n\na  b\n-  -\n"


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="awkward"):
        Table("awkward", "t", "c", ("a", "b"), "lr", ((Cell("1"),),))

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.reporting.page import write_report

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.ids, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def values(self, tag, name):
        return [v for t, n, v in self.attributes if (t, n) == (tag, name)]


def parse(folder):
    return Page((folder / "report" / "index.html").read_text(encoding="utf-8"))


def rewrite(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def keep_only(run, *networks):
    """What a run of these networks without a search leaves behind."""
    shutil.rmtree(run / "report", ignore_errors=True)
    for fold in run.glob("fold_*"):
        for folder in fold.iterdir():
            if folder.name not in networks:
                shutil.rmtree(folder)
    (run / "architecture.json").unlink()

    def change(results):
        results["networks"] = {n: results["networks"][n] for n in networks}
        results["comparisons"] = [
            line
            for line in results["comparisons"]
            if {line["network"], line["reference"]} <= set(networks)
        ]
        results["architecture"] = ""

    rewrite(run / "results.json", change)


@pytest.fixture(scope="module")
def page(reported):
    return parse(reported)


def test_the_page_needs_nothing_but_itself(reported, page):
    text = (reported / "report" / "index.html").read_text()
    assert "://" not in text
    assert "url(" not in text
    assert "<script" not in text
    assert "<link" not in text
    sources = page.values("img", "src")
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    targets = [target.removeprefix("#") for target in page.values("a", "href")]
    assert targets
    assert set(targets) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_every_figure_file_is_on_the_page(reported, page):
    figures = reported / "report" / "figures"
    files = {path.stem: path.read_bytes() for path in figures.glob("*.png")}
    shown = {
        base64.b64decode(source.partition(",")[2])
        for source in page.values("img", "src")
    }
    assert set(files.values()) == shown
    assert {f"figure-{name}" for name in files} <= set(page.ids)
    assert not list(figures.glob("*.pdf"))  # the run's config leaves them out
    assert set(files) == {
        "scores",
        "architecture",
        "fold_architectures",
        "operations",
        "search",
        "retraining",
        *(f"probabilities_fold_{k}" for k in (1, 2, 3)),
        *(f"reconstruction_fold_{k}_{i}" for k in (1, 2, 3) for i in (1, 2)),
    }


def test_every_picture_is_described_and_scrolls_when_wide(page):
    assert all(page.values("img", "alt"))
    assert all("min-width" in style for style in page.values("img", "style"))


def test_images_follow_the_first_table_and_cost_is_folded_at_the_end(reported, page):
    ids = [name for name in page.ids if name.startswith(("table-", "figure-"))]
    assert ids[0] == "table-scores"
    assert ids[1] == "figure-reconstruction_fold_1_1"
    assert ids[-1] == "table-cost"
    text = (reported / "report" / "index.html").read_text()
    *_, folded = text.split("<details>")
    assert "table-cost" in folded
    assert text.count("table-cost") == 1


def test_the_metrics_are_explained_once_and_named_with_every_score(reported, page):
    rule = "Metrics (paper): magnitude clipped to [0, 1], data range 1."
    assert page.text.count(rule) == 1
    assert page.text.count("data range") == 1
    # Two tables, and the figure of the folds.
    assert page.text.count("Phantom hearts, paper metrics: ") == 3
    for name in ("tables.md", "tables.tex"):
        assert (reported / "report" / name).read_text().count("data range") == 1


def test_no_caption_needs_the_words_of_a_computer_engineer(page):
    for word in ("FLOP", "roofline", "arithmetic"):
        assert word not in page.text


def test_the_lead_is_made_from_the_numbers(reported, page):
    networks = json.loads((reported / "results.json").read_text())["networks"]
    best, base = (networks[n]["psnr_db_mean"] for n in ("emrnas", "zero_filled"))
    assert (
        f"The searched network gains {best - base:.2f} dB over zero-filling on 18 test "
        f"frames of 3 folds: {best:.2f} against {base:.2f} dB" in page.text
    )
    ahead = best - networks["dccnn"]["psnr_db_mean"]
    assert f"It is {ahead:.2f} dB ahead of DC-CNN" in page.text


def test_the_page_says_under_which_conditions_the_numbers_hold(page):
    for sentence in (
        "emrnas_jax",
        "Reduced-size run",
        "This holds for magnitude images only.",
        "magnitude clipped to [0, 1], data range 1",
        "the line density of the published masks",
        "Phantom hearts",
        "CPU, 2 cores",
        '"consistency": "real"',
    ):
        assert sentence in page.text


def test_the_page_says_when_how_long_with_what_and_on_what(page):
    for text in (
        "Date 2026-11-27 ",
        "Total time 1 h 2 min ",
        "Device Fast One, 2 logical cores ",
        "Versions emrnas_jax 0.1.0, JAX 0.10.2, Python 3.11.7 ",
        "python -m emrnas_jax.main --config=hearts.py --workdir=runs/hearts",
    ):
        assert text in page.text


def test_long_facts_have_room_for_two(reported):
    text = (reported / "report" / "index.html").read_text()
    assert re.findall(r'<div class="wide"><dt>(\w+)</dt>', text) == [
        "Device",
        "Versions",
    ]


def test_the_page_names_no_place_of_the_machine(reported):
    for path in (reported / "report").glob("*.*"):
        assert str(reported.parent) not in path.read_text()


def test_a_run_without_records_of_its_commands_leaves_them_out(run):
    (run / "provenance.json").unlink()
    keep_only(run, "zero_filled")
    write_report(run)
    page = parse(run)
    assert "table-commands" not in page.ids
    assert "Versions" not in page.text
    assert "Device CPU, 2 cores" in page.text


def test_a_full_run_with_two_step_consistency_is_not_labelled(run):
    def change(config):
        config["reduced"] = False
        for network in config["networks"].values():
            network["consistency"] = "two_step"

    rewrite(run / "config.json", change)
    keep_only(run, "zero_filled")
    write_report(run)
    text = parse(run).text
    assert "educed-size" not in text
    assert "magnitude images only" not in text


def test_a_network_that_loses_is_said_to_lose(run):
    def change(results):
        results["networks"]["dccnn"]["psnr_db_mean"] = 20.0
        results["networks"]["zero_filled"]["psnr_db_mean"] = 21.5

    keep_only(run, "zero_filled", "dccnn")
    rewrite(run / "results.json", change)
    write_report(run)
    assert "DC-CNN loses 1.50 dB over zero-filling" not in parse(run).text
    assert "DC-CNN loses 1.50 dB against zero-filling" in parse(run).text


def test_a_baseline_without_search_has_no_search_on_its_page(run):
    keep_only(run, "zero_filled", "dccnn")
    write_report(run)
    page = parse(run)
    assert "DC-CNN gains" in page.text
    assert not {"search", "architecture"} & set(page.ids)
    assert {"scores", "reconstructions", "training", "protocol"} <= set(page.ids)
    assert "comparisons" in page.ids
    names = {path.name for path in (run / "report" / "figures").iterdir()}
    assert not any("architect" in name or "prob" in name for name in names)


def test_a_given_architecture_is_drawn_without_a_search(run):
    for fold in run.glob("fold_*"):
        shutil.rmtree(fold / "search")
        shutil.rmtree(fold / "dccnn")
        (fold / "emrnas" / "examples.npz").unlink()
        (fold / "zero_filled" / "examples.npz").unlink()
    (run / "architecture.json").unlink()
    write_report(run)
    page = parse(run)
    assert "The network gains" in page.text
    assert "[O5 O8 O8|O8 O8 O8|O4 O1 O2|O8 O8 O8|O6 O8 O8]" in page.text
    assert "architecture" in page.ids
    assert not {"figure-fold_architectures", "search", "reconstructions"} & set(
        page.ids
    )


def test_results_alone_make_a_page(run):
    for path in run.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "results.json":
            path.unlink()
    rewrite(run / "results.json", lambda results: results.update(architecture=""))
    write_report(run)
    page = parse(run)
    assert not page.values("img", "src")
    assert set(page.ids) == {
        "scores",
        "table-scores",
        "comparisons",
        "table-differences",
        "protocol",
        "cost",
        "table-cost",
    }


def test_names_cannot_break_the_page(run):
    keep_only(run, "zero_filled")
    evil = "<script>alert('&')</script>"
    rewrite(run / "results.json", lambda results: results.update(dataset=evil))
    rewrite(run / "config.json", lambda config: config.update(note=evil + "$lead"))
    write_report(run)
    assert "<script" not in (run / "report" / "index.html").read_text()
    assert parse(run).text.count(evil) >= 4


@pytest.mark.slow
def test_writing_again_gives_the_same_files_and_removes_stale_figures(run):
    keep_only(run, "zero_filled")
    with_pdf = {"pdf": True}
    write_report(run, with_pdf)
    files = [path for path in (run / "report").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    figures = run / "report" / "figures"
    for ending in ("png", "pdf"):
        (figures / f"probabilities_fold_9.{ending}").write_bytes(b"old")
    (run / "report" / "index.html").write_text("cut")
    assert write_report(run, with_pdf) == run / "report" / "index.html"
    files = [path for path in (run / "report").rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in files} == before
    found = [{p.stem for p in figures.glob(f"*.{end}")} for end in ("png", "pdf")]
    assert found[0] == found[1] != set()
    assert all(b"/Type /Font" in p.read_bytes() for p in figures.glob("*.pdf"))
    write_report(run)
    assert {path.suffix for path in figures.iterdir()} == {".png"}


def test_a_damaged_run_leaves_the_earlier_report(run):
    keep_only(run, "zero_filled")
    page = write_report(run)
    before = page.read_bytes()
    (run / "fold_1" / "zero_filled" / "scores.csv").write_text("")
    with pytest.raises(InputError):
        write_report(run)
    assert page.read_bytes() == before


def test_the_tables_are_also_files(reported):
    folder = reported / "report"
    assert re.search(
        r"\| EMR-NAS +\| \*\*\d+\.\d\d ± ", (folder / "tables.md").read_text()
    )
    assert r"\toprule" in (folder / "tables.tex").read_text()

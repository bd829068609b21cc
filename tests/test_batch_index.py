"""The page and the tables over all studies: what they say, in a real browser; and comparisons of two runs."""

from __future__ import annotations

import base64
import csv
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon
from typer.testing import CliRunner

from medfuse.batch.csv_cells import cell
from medfuse.batch.results.comparison import compare, write_comparison
from medfuse.batch.results.page import render_index
from medfuse.batch.results.statistics import summaries
from medfuse.batch.results.tables import write_outputs
from medfuse.cli import app
from medfuse.errors import ReadError, WriteError
from medfuse.report.redaction import Redaction


def picture(seed):
    from PIL import Image

    noise = np.random.default_rng(seed).integers(0, 255, (72, 60), np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, format="JPEG", quality=72)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


PICTURES = [picture(seed) for seed in range(8)]


def row(i, q, method="dip", verdict="ok", **facts):
    scores = {"pe": 0.5 + q / 10, "mi": 2 + q, "q": q, "cv": 0.5 - q}
    lower = {key: value - 0.1 for key, value in scores.items()}
    return {
        "study": f"s{i:04d}",
        "status": "done",
        "inputs": [f"{i:064x}"],
        "method": method,
        "registrations": [{"verdict": verdict, "reasons": ["why"] if verdict != "ok" else []}],
        "scores": {method: scores, "average": lower, "maximum": {**lower, "pe": None}},
        "warnings": ["assumed CT"] if i % 3 == 0 else [],
        "seconds": 10.0 + i % 7,
        "thumbnail": PICTURES[i % len(PICTURES)],
        "report": f"s{i:04d}/report.html",
        "medfuse": "0.9",
        **facts,
    }


def failed(name, message="it broke"):
    return {"study": name, "status": "failed", "error": {"class": "ReadError", "message": message}}


def cohort(n, failures=2, seed=0):
    values = np.random.default_rng(seed).random(n).round(6).tolist()
    verdicts = ["doubtful" if i == 3 else "ok" for i in range(n)]
    rows = [row(i, q, verdict=v) for i, (q, v) in enumerate(zip(values, verdicts, strict=True))]
    return [*rows, *(failed(f"f{i}") for i in range(failures))]


class TestPage:
    def test_failures_first_then_doubtful(self):
        page = render_index(cohort(6))
        found = re.findall(r'data-c="0" data-v="([^"]+)"', page)
        assert found == ["f0", "f1", "s0003", "s0000", "s0001", "s0002", "s0004", "s0005"]

    def test_links_and_well_formed(self):
        page = render_index(cohort(6), ["x1", "x2"])
        tags = _Tags()
        tags.feed(page)
        assert tags.open == []
        assert [link for link in tags.links if link.startswith("s000")] == [
            f"s{i:04d}/report.html" for i in (3, 0, 1, 2, 4, 5)
        ]
        assert not re.search(r"(?:href|src)=[\"']?(?:http|//|file)", page)
        assert "url(" not in page
        assert "Not run: x1, x2" in page
        assert page.count("medfuse 0.9") == 6

    def test_text_from_outside_is_escaped(self):
        evil = "<script>alert(1)</script>\"'"
        bad = row(1, 0.5, registrations=[{"verdict": "doubtful", "reasons": [evil]}], warnings=[evil])
        page = render_index([bad, failed("f", evil)])
        assert page.count("<script>") == 1
        assert page.count("&lt;script&gt;") == 4  # verdict and its hint, note, failure

    def test_nothing_finished(self):
        assert "f0" in render_index([failed("f0")])
        assert "Fused volumes of 0 studies" in render_index([])

    def test_marks_lie_where_the_values_do(self):
        page = render_index([row(0, 0.0), row(1, 1.0)])
        marks = re.findall(r"--m:([\d.]+)%;--a:([\d.]+)%;--b:([\d.]+)%", page)
        # q: from -0.1 (baseline of 0) to 1.0
        assert {("9.1", "0.0", "0.0"), ("100.0", "90.9", "90.9")} <= set(marks)

    def test_a_metric_that_is_nowhere_defined_has_no_column(self):
        one = row(0, 0.5)
        for scores in one["scores"].values():
            scores["q"] = None
        heads = re.findall(r'<th role="columnheader"[^>]*><button type="button">(\w+)', render_index([one]))
        assert heads == ["study", "registration", "pe", "mi", "cv", "seconds"]


class _Tags(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "col", "input", "line", "rect", "circle"})

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


class TestBrowser:
    """What a reader sees and clicks."""

    COLUMN = """
        return [...document.querySelectorAll('#studies tbody tr')].map(
            row => row.querySelector('[data-c="%d"]')?.dataset.v ?? null)
    """

    def column(self, browser, i):
        return browser.execute_script(self.COLUMN % i)

    def click(self, browser, name):
        heads = browser.find_elements("css selector", "#studies th button")
        next(one for one in heads if one.text.split()[0] == name).click()

    @pytest.fixture
    def page(self, browser, tmp_path):
        rows = cohort(40)
        write_outputs(tmp_path, rows)
        browser.get((tmp_path / "index.html").as_uri())
        return rows

    def test_sorting_by_clicks(self, browser, page):
        values = [f"{one['scores']['dip']['q']:.9g}" for one in page if one["status"] == "done"]
        self.click(browser, "q")
        expected = sorted(values, key=float)
        assert self.column(browser, 5) == [*expected, None, None]  # what has no score stays below
        self.click(browser, "q")
        assert self.column(browser, 5) == [*expected[::-1], None, None]
        head = browser.find_element("css selector", "th[aria-sort]")
        assert (head.text[0], head.get_attribute("aria-sort")) == ("q", "descending")
        self.click(browser, "study")
        assert self.column(browser, 0) == ["f0", "f1", *(f"s{i:04d}" for i in range(40))]
        self.click(browser, "registration")
        assert self.column(browser, 0)[:3] == ["f0", "f1", "s0003"]

    def test_finding(self, browser, page):
        browser.find_element("id", "find").send_keys("S001")
        shown = [r for r in browser.find_elements("css selector", "#studies tbody tr") if r.is_displayed()]
        assert len(shown) == 10

    def test_what_is_shown(self, browser, page):
        assert browser.execute_script(
            "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
        )
        assert browser.find_element("css selector", ".counts .failed").text.split() == ["2", "failed"]
        assert (
            len(browser.find_elements("css selector", "figure svg rect")) == 4 * 3 - 1
        )  # methods of each metric, but one undefined
        severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert severe == []
        assert browser.execute_script("return document.body.scrollWidth <= window.innerWidth")

    def test_two_thousand_studies_are_all_there_and_sort(self, browser, tmp_path):
        write_outputs(tmp_path, cohort(2000))
        browser.get((tmp_path / "index.html").as_uri())
        assert len(self.column(browser, 0)) == 2002
        self.click(browser, "mi")
        values = [float(value) for value in self.column(browser, 4) if value]
        assert values == sorted(values)
        assert len(values) == 2000


class TestTables:
    def test_cells(self):
        text = ("=1+1", "+1", "-x", "@a", "\tx", "plain")
        assert [cell(one) for one in text] == ["'=1+1", "'+1", "'-x", "'@a", "'\tx", "plain"]
        assert [cell(one) for one in (-0.5, -3, None, float("nan"), True)] == ["-0.5", "-3", "", "", "yes"]

    def test_results_and_failures(self, tmp_path):
        write_outputs(tmp_path, [row(0, -0.25), failed("f", '=HYPERLINK("x")')])
        rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
        assert [(one["method"], one["set"]) for one in rows] == [
            ("dip", "method"), ("average", "baseline"), ("maximum", "baseline"),
        ]  # fmt: skip
        assert (rows[0]["q"], rows[0]["registration"], rows[0]["seconds"]) == ("-0.25", "ok", "10")
        assert (rows[2]["pe"], rows[2]["seconds"]) == ("", "")
        assert [one["medfuse"] for one in rows] == ["0.9"] * 3
        (failure,) = csv.DictReader((tmp_path / "failures.csv").read_text().splitlines())
        assert failure == {"study": "f", "error": "ReadError", "message": '\'=HYPERLINK("x")'}

    def test_worst_verdict_counts(self, tmp_path):
        verdicts = [{"verdict": one, "reasons": []} for one in ("ok", "doubtful", "given")]
        write_outputs(tmp_path, [row(0, 0.5, registrations=verdicts)])
        assert ",doubtful," in (tmp_path / "results.csv").read_text()


def test_statistics():
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 5.0]
    tables = summaries([row(i, q) for i, q in enumerate(values)])
    dip, average, maximum = tables["q"]
    assert [one.method for one in (dip, average, maximum)] == ["dip", "average", "maximum"]
    assert (dip.chosen, average.chosen, dip.n, dip.missing) == (True, False, 6, 0)
    assert dip.mean == pytest.approx(np.mean(values))
    assert dip.deviation == pytest.approx(np.std(values, ddof=1))
    # numpy's linear quartiles of the six: 0.225, 0.35, 0.475; fence at 0.85
    assert (dip.lower, dip.median, dip.upper) == pytest.approx((0.225, 0.35, 0.475))
    assert (dip.low, dip.high, dip.outliers) == (0.1, 0.5, (5.0,))
    assert [one.method for one in tables["pe"]] == ["dip", "average"]  # maximum is nowhere defined


class TestScrubbing:
    def test_paths_names_and_uids_go(self, tmp_path):
        folder = tmp_path / "DOE JOHN 1950"
        folder.mkdir()
        (folder / "IM_DOE.dcm").touch()
        paths = [folder, Path("/archive/Roe, Jane/t1.nii.gz")]
        message = (
            f"{folder}/IM_DOE.dcm: has the UID of IM_DOE.dcm but other content; see /home/doe/x y.txt: no "
            "series 1.2.840.113619.2.5.1 in /archive/Roe, Jane/t1.nii.gz, spacing 0.5/0.7 mm"
        )
        words = Redaction(paths)(message)
        assert not re.search(r"DOE|doe|JOHN|Roe|Jane|113619|/home", words)
        assert words.startswith(
            "<fixed>: has the UID of <file> but other content; see <path>: no series <uid>"
        )
        assert words.endswith("in <moving>, spacing 0.5/0.7 mm")

    @pytest.mark.parametrize(
        "words",
        [
            "run 'medfuse weights get vgg19' (548.1 MB from https://download.pytorch.org/models/vgg19.pth)",
            "give --window LEVEL/WIDTH, such as 40/80, and / or a name",
        ],
    )
    def test_addresses_and_help_stay(self, words):
        assert Redaction([Path("/x/ct.nii"), Path("/x/t1.nii")])(words) == words

    def test_a_path_beside_an_address_goes(self):
        text = "copy it from https://host.org/DOE.pth into /home/doe/weights, or"
        assert Redaction([Path("/x/ct.nii")])(text) == "copy it from https://host.org/DOE.pth into <path>, or"

    def test_one_line_of_bounded_length(self):
        words = Redaction([Path("/x/y.nii")])("a\nb\x00" + "c" * 5000)
        assert words.startswith("a b c")
        assert len(words) == 600


class TestCompare:
    def folders(self, tmp_path, change, n=12):
        rng = np.random.default_rng(1)
        first = [row(i, q) for i, q in enumerate(rng.random(n))]
        second = [row(i, one["scores"]["dip"]["q"] + change(i), "pca") for i, one in enumerate(first)]
        for name, rows in (("1", first), ("2", second)):
            (tmp_path / name).mkdir()
            write_outputs(tmp_path / name, rows)
        return tmp_path / "1", tmp_path / "2"

    def test_paired_differences(self, tmp_path):
        shifts = np.random.default_rng(2).normal(0.05, 0.04, 12)
        one, two = self.folders(tmp_path, lambda i: shifts[i])
        comparison = compare(one, two)
        q = next(d for d in comparison.differences if d.metric == "q")
        assert (q.studies, comparison.methods) == (12, ("dip", "pca"))
        assert q.mean_difference == pytest.approx(shifts.mean(), abs=1e-8)
        assert q.median_difference == pytest.approx(np.median(shifts), abs=1e-8)
        assert q.second_better == int((shifts > 0).sum())
        assert q.p == pytest.approx(wilcoxon(shifts).pvalue)
        ordered = sorted(comparison.differences, key=lambda d: d.p)
        assert ordered[0].p_holm == pytest.approx(min(1, ordered[0].p * 4))
        assert [d.p_holm for d in ordered] == sorted(d.p_holm for d in ordered)
        assert comparison.notes == ()

    def test_other_versions_are_said(self, tmp_path):
        one, two = self.folders(tmp_path, lambda i: 0.1)
        write_outputs(two, [row(i, 0.5, medfuse="1.0") for i in range(12)])
        assert compare(one, two).notes == ("batch 1 was made by medfuse 0.9, batch 2 by 1.0",)

    def test_equal_runs_and_few_pairs_have_no_p(self, tmp_path):
        one, two = self.folders(tmp_path, lambda i: 0.0)
        assert {d.p for d in compare(one, two).differences} == {None}
        assert compare(one, two).notes[-1].startswith("no p for pe, mi, q, cv: fewer than 6 studies differ")
        (tmp_path / "few").mkdir()
        one, two = self.folders(tmp_path / "few", lambda i: i + 1.0, n=5)
        assert {d.p for d in compare(one, two).differences} == {None}

    def test_notes(self, tmp_path):
        one, two = self.folders(tmp_path, lambda i: 0.1)
        rows = [row(i, 0.5) for i in range(10)]
        rows[4]["inputs"] = ["other"]
        write_outputs(two, rows)
        notes = " ".join(compare(one, two).notes)
        assert "2 studies of batch 1 are not in the other" in notes
        assert "1 studies have other inputs in batch 2 than in batch 1: s0004" in notes

    def test_table(self, tmp_path):
        one, two = self.folders(tmp_path, lambda i: 0.1 + i / 100)
        comparison = compare(one, two)
        write_comparison(comparison, tmp_path / "c.csv")
        rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
        assert [r["metric"] for r in rows] == ["pe", "mi", "q", "cv"]
        assert "1: dip, 2: pca" in comparison.text()
        with pytest.raises(WriteError, match="exists already"):
            write_comparison(comparison, tmp_path / "c.csv")

    def test_command(self, tmp_path):
        one, two = self.folders(tmp_path, lambda i: 0.1)
        words = ["batch", "compare", str(one), str(two), "-o", str(tmp_path / "c.csv")]
        shown = CliRunner().invoke(app, words)
        assert shown.exit_code == 0, shown.output
        assert shown.output.splitlines()[0] == "1: dip, 2: pca; differences are 2 minus 1"
        assert len((tmp_path / "c.csv").read_text().splitlines()) == 5

    def test_refusals(self, tmp_path):
        one, _ = self.folders(tmp_path, lambda i: 0.1)
        with pytest.raises(ReadError, match="holds no results"):
            compare(one, tmp_path)
        (tmp_path / "other").mkdir()
        write_outputs(tmp_path / "other", [row(99, 0.5)])
        with pytest.raises(ReadError, match="no finished study in common"):
            compare(one, tmp_path / "other")
        bare = row(0, 0.5)
        bare["scores"] = {"dip": {"zzz": 1.0}}
        write_outputs(tmp_path / "other", [bare])
        with pytest.raises(ReadError, match="no metric in common"):
            compare(one, tmp_path / "other")

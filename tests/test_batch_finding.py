"""Which studies a batch consists of: tables, BIDS datasets, DICOM archives, rules and pseudonyms."""

from __future__ import annotations

import csv
import hmac
import os
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series

from medfuse import Geometry, InputVolume, Recipe, Study, read_volume
from medfuse.batch import find_studies, read_table, write_table
from medfuse.batch.finding.absent import absent_files
from medfuse.batch.finding.planning import Planned, recipe_of
from medfuse.batch.finding.pseudonyms import Pseudonyms
from medfuse.batch.finding.rules import Candidate, Rule
from medfuse.batch.jobs import Job, Limits
from medfuse.errors import ParameterError, ReadError, UnknownNameError, WriteError
from medfuse.io import ReadOptions

GRID = Geometry((4, 4, 3), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))


def table(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def series(folder, patient, study, number, description, modality="MR", depth=3, **attributes):
    """A small series; ``attributes`` are set on every slice."""

    def edit(dataset, _):
        dataset.PatientID, dataset.StudyInstanceUID = patient, study
        dataset.PatientName = f"Name^{patient}"
        dataset.SeriesNumber, dataset.SeriesDescription = number, description
        for name, value in attributes.items():
            setattr(dataset, name, value)

    stored = np.arange(depth * 16, dtype=np.int16).reshape(depth, 4, 4)
    grid = Geometry((4, 4, depth), GRID.spacing, GRID.origin)
    return write_series(folder, stored, grid, modality=modality, edit=edit, seed=number)


class TestTable:
    def test_rows(self, tmp_path):
        path = table(
            tmp_path,
            "study,fixed,moving,moving2,modalities,initial_transform2,method,seed,windows,parameters.patch,note\n"
            "a,ct.nii.gz,sub/t1.nii.gz,/x/t2.nii.gz,ct;mr;mr,t.tfm,pca,7,CT=bone;MR=1%-99%,5,seen\n"
            "b,ct2.nii.gz,t1.nii.gz,,,,,,,,\n",
        )
        a, b = read_table(path)
        assert a.name == "a"
        assert a.study == Study(
            InputVolume(tmp_path / "ct.nii.gz", "CT"),
            (
                InputVolume(tmp_path / "sub/t1.nii.gz", "MR"),
                InputVolume(Path("/x/t2.nii.gz"), "MR", transform=tmp_path / "t.tfm"),
            ),
        )
        assert a.overrides == {
            "method": "pca", "seed": 7, "windows": ("CT=bone", "MR=1%-99%"), "parameters": {"patch": "5"},
        }  # fmt: skip
        assert (b.study, b.overrides) == (Study(tmp_path / "ct2.nii.gz", (tmp_path / "t1.nii.gz",)), {})

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiters_and_byte_order_mark(self, tmp_path, delimiter):
        text = "\ufeffstudy,fixed,moving\na,1.nii,2.nii\n\n".replace(",", delimiter)
        assert [one.name for one in read_table(table(tmp_path, text))] == ["a"]

    @pytest.mark.parametrize(
        "text",
        [
            "study,fixed,moving\r\na,1.nii,sub/2.nii\r\n",
            "study,fixed,moving\ra,1.nii,sub/2.nii\r",
            "\n\nstudy,fixed,moving\na,1.nii,sub/2.nii",
            "# of the study of 2019\nstudy,fixed,moving\n# later\na,1.nii,sub/2.nii\n",
            "sep=;\nstudy;fixed;moving\na;1.nii;sub/2.nii\n",
            '"sep=|"\nstudy|fixed|moving\na|1.nii|sub/2.nii\n',
            "Study, FIXED ,Moving,,\na,1.nii,sub/2.nii,,\n,,,,\n",
            "study,fixed,moving\na,1.nii,sub/2.nii,,\n",
            "\u00a0study,fixed,moving\u00a0\na\u00a0,\u00a01.nii, sub/2.nii\n",
            "study,fixed,moving\na,1.nii,sub\\2.nii\n",
            "study,fixed,moving\na,~/1.nii,~\\sub\\2.nii\n",
            '"study","fixed","moving"\n"a","1.nii","sub/2.nii"\n',
        ],
    )
    def test_tables_as_people_save_them(self, tmp_path, monkeypatch, text):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "t.csv").write_bytes(text.encode())
        (one,) = read_table(tmp_path / "t.csv")
        assert one.study == Study(tmp_path / "1.nii", tmp_path / "sub" / "2.nii")

    def test_delimiters_in_quotes_are_no_delimiters(self, tmp_path):
        text = 'study,fixed,moving,windows\na,"Doe, J/1.nii",2.nii,"CT=-100,200;MR=1%-99%"\n'
        (one,) = read_table(table(tmp_path, text))
        assert one.study.fixed.path == tmp_path / "Doe, J" / "1.nii"
        assert one.overrides == {"windows": ("CT=-100,200", "MR=1%-99%")}

    @pytest.mark.skipif(os.name == "nt", reason="a backslash is no letter there")
    def test_a_backslash_that_is_in_a_name_is_kept(self, tmp_path):
        (tmp_path / "a\\b.nii").touch()
        (one,) = read_table(table(tmp_path, "study,fixed,moving\na,a\\b.nii,c\\b.nii\n"))
        assert one.study.paths == (tmp_path / "a\\b.nii", tmp_path / "c" / "b.nii")

    def test_lines_are_counted_as_in_the_file(self, tmp_path):
        text = "# one\n\nstudy,fixed,moving,seed\n# four\na,1,2,\n\nb,1,2,x\n"
        with pytest.raises(ParameterError, match="line 7: seed"):
            read_table(table(tmp_path, text))

    @pytest.mark.parametrize(
        ("stored", "words"),
        [
            (b"PK\x03\x04rest", "Excel or OpenDocument workbook.*save it as 'CSV UTF-8'"),
            (b"\xd0\xcf\x11\xe0rest", "old Excel workbook"),
            ("study,fixed,moving\n".encode("utf-16"), "in UTF-16"),
            ("study,fixed,moving\n".encode("utf-16-le"), "UTF-16, perhaps"),
            ("study,fixed,moving\na,1,2\nb,Mü.nii,2\n".encode("cp1252"), r"line 3\), but in CP-1252"),
        ],
    )
    def test_what_is_no_text_in_utf_8(self, tmp_path, stored, words):
        (tmp_path / "t.csv").write_bytes(stored)
        with pytest.raises(ReadError, match=words):
            read_table(tmp_path / "t.csv")

    def test_the_same_file_twice_and_a_study_of_one_volume(self, tmp_path):
        text = (
            "study,fixed,moving,moving2,fixed_volume,moving_volume\na,1.nii,x/../1.nii,,,\n"
            "b,1.nii,2.nii,2.nii,,\nc,1.nii,,,,\nd,1.nii,1.nii,,1,2\n"
        )
        a, b, c, d = read_table(table(tmp_path, text))
        assert [one.study for one in (a, b, c)] == [None] * 3
        assert a.problem.startswith("fixed and moving are the same file")
        assert b.problem.startswith("moving and moving2 are the same file")
        assert "fusion needs two volumes" in c.problem
        assert d.study is not None  # two volumes of one 4-D file

    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("moving_spacing", "a;b", "moving_spacing = 'a;b'.*millimetres"),
            ("moving_suv", "perhaps", "moving_suv = 'perhaps'.*yes or no"),
            ("fixed_spacing", "-1", "spacing"),
        ],
    )
    def test_faulty_ways_of_reading(self, tmp_path, column, value, words):
        with pytest.raises(ParameterError, match=words):
            read_table(table(tmp_path, f"study,fixed,moving,{column}\na,1,2,{value}\n"))

    def test_absent_files_are_named_with_where_they_may_be(self, tmp_path, monkeypatch):
        (tmp_path / "tables").mkdir()
        (tmp_path / "1.nii").touch()
        (tmp_path / "tables" / "2.nii").touch()
        monkeypatch.chdir(tmp_path)
        text = f"study,fixed,moving\na,1.nii,2.nii\nb,2.nii,{tmp_path}/3.nii\nc,2.nii,\n"
        studies = read_table(table(tmp_path / "tables", text))
        first, second = absent_files(studies, tmp_path / "tables")
        base = (tmp_path / "tables").resolve()
        assert first == (
            f"a: {base / '1.nii'} does not exist (paths are relative to the folder of the table, {base}; "
            f"there is {tmp_path / '1.nii'}, relative to the working directory)"
        )
        assert second == f"b: {tmp_path.resolve() / '3.nii'} does not exist"

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            ("study,fixed\na,b\n", ReadError, "no column 'moving'"),
            ("study,fixed,moving\n", ReadError, "no studies"),
            ("", ReadError, "has nothing"),
            ("study,fixed,moving,methid\na,1,2,pca\n", UnknownNameError, "Did you mean 'method'"),
            ("study,fixed,moving,parameters\na,1,2,x\n", UnknownNameError, "parameters"),
            ("study,fixed,moving,fixed\na,1,2,3\n", ReadError, "twice"),
            ("study,fixed,moving\na,1,2,3\n", ReadError, "line 2 has 4 cells for 3 columns"),
            ("study,fixed,moving\n../a,1,2\n", ParameterError, "study '../a'"),
            ("study,fixed,moving\nindex.html,1,2\n", ParameterError, "index.html"),
            ("study,fixed,moving\na,1,2\nA,1,2\n", ParameterError, "twice"),
            ("study,fixed,moving,seed\na,1,2,x\nb,1,2,y\n", ParameterError, "line 2: seed = 'x'.*line 3"),
            ("study,fixed,moving\n,1,2\n", ParameterError, "--key"),
            ("study,fixed,moving,modalities\na,1,2,CT\n", ParameterError, "line 2: 1 modalities for 2"),
            ("study,fixed,moving,landmarks_fixed\na,1,2,3\n", ParameterError, "landmarks need both"),
            ("study,fixed,moving,labels\na,1,2,CT\n", ParameterError, "line 2: 1 labels for 2"),
            ("study,fixed,moving,moving_volume\na,1,2,x\n", ParameterError, "moving_volume = 'x'"),
            ("study,fixed,moving,transform_convention\na,1,2,ras\n", ParameterError, "no transform file"),
        ],
    )
    def test_faulty_tables_are_refused(self, tmp_path, text, error, words):
        with pytest.raises(error, match=words):
            read_table(table(tmp_path, text))

    def test_a_table_that_is_no_text(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ReadError, match="UTF-8"):
            read_table(tmp_path / "t.csv")
        with pytest.raises(ReadError, match="cannot read the table"):
            read_table(tmp_path / "nowhere.csv")

    def test_missing_files_leave_a_problem(self, tmp_path):
        text = (
            "study,fixed,moving,moving2,problem\na,1.nii,,3.nii,two series match\nb,1.nii,2.nii,,old words\n"
        )
        a, b = read_table(table(tmp_path, text))
        assert (a.study, a.problem) == (None, "two series match")
        assert b.study is not None
        assert b.problem == ""

    @pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
    def test_what_is_written_is_read_back(self, tmp_path, name):
        study = Study(
            InputVolume(tmp_path / "=1.nii", "CT"),
            (InputVolume("/data/t1.nii", "MR"), InputVolume("/data/t2.nii", transform="/t.tfm")),
        )
        options = ReadOptions(volume=2, spacing=(0.1 + 0.2, 0.5, 3), to_grey=True)
        chosen = Study(
            InputVolume("/data/ct", reading=ReadOptions(series="7", allow_uneven=True, suv=True)),
            (
                InputVolume("/data/t1.nii", "", options, "/data/t1.txt", "ras-inverse"),
                InputVolume(
                    "/data/mr",
                    reading=ReadOptions(series="1.2.3", volume=4),
                    landmarks=(tmp_path / "ct.fcsv", tmp_path / "mr.fcsv"),
                    label="=MR, FLAIR",
                ),
                "/data/us.mha",
            ),
        )
        overrides = {"method": "pca", "windows": ("CT=bone", "2=1%-99%"), "keep_identifiers": True}
        planned = [
            Planned("a", study, {**overrides, "parameters": {"patch": "5"}}),
            Planned("b", Study("/x/1.nii", ("/x/2.nii",)), {}, note="=not a formula"),
            Planned("c", chosen, {"grid": "isotropic:0.8", "registration": "affine"}),
        ]
        write_table(planned, tmp_path / name)
        read = read_table(tmp_path / name)
        assert [(one.name, one.study, one.overrides) for one in read] == [
            (one.name, one.study, one.overrides) for one in planned
        ]
        lines = (tmp_path / name).read_text().splitlines()
        rows = csv.reader(lines, delimiter="\t" if name.endswith("tsv") else ",")
        cells = [value for row in rows for value in row]
        assert "./=1.nii" in cells
        assert "'=not a formula" in cells
        assert not any(value.startswith(("=", "+", "-", "@")) for value in cells)

    def test_a_label_that_a_table_cannot_hold(self, tmp_path):
        study = Study("1", InputVolume("2", label="a;b"))
        with pytest.raises(ParameterError, match="which they cannot hold"):
            write_table([Planned("a", study)], tmp_path / "t.csv")
        assert not (tmp_path / "t.csv").exists()

    def test_an_existing_table_is_kept(self, tmp_path):
        path = table(tmp_path, "mine")
        with pytest.raises(WriteError, match="exists already"):
            write_table([Planned("a", Study("1", ("2",)))], path)
        assert path.read_text() == "mine"


def test_a_job_carries_the_whole_study(tmp_path):
    mr, us, spacing = tmp_path / "mr", tmp_path / "us.mha", ReadOptions(spacing=(0.5, 0.5))
    study = Study(
        InputVolume(tmp_path / "ct", "CT", ReadOptions("7")),
        (
            InputVolume(
                mr, "MR", ReadOptions(volume=2), landmarks=(tmp_path / "a.fcsv", tmp_path / "b.fcsv")
            ),
            InputVolume(us, "US", spacing, tmp_path / "t.mat", "inverse"),
        ),
    )
    recipe = Recipe(grid="finest").to_mapping()
    job = Job("a", study, recipe, str(tmp_path), "run", Limits(seconds=3), bids=True)
    assert Job.from_json(job.to_json()) == job


class TestRecipeOfARow:
    def test_a_grid_that_does_not_exist(self):
        with pytest.raises(ParameterError, match="study a: grid 'coarse'"):
            recipe_of(Planned("a", None, {"grid": "coarse"}), Recipe())

    def test_overrides_win_and_parameters_join(self):
        recipe = Recipe(method="pca", parameters={"patch": 9}, seed=3)
        own = recipe_of(Planned("a", None, {"registration": "none"}), recipe)
        assert (own.registration, own.seed, own.parameters) == ("none", 3, {"patch": 9})
        own = recipe_of(Planned("a", None, {"parameters": {"patch": "5"}}), recipe)
        assert own.parameters == {"patch": "5"}

    def test_parameters_of_another_method_are_left_behind(self):
        own = recipe_of(
            Planned("a", None, {"method": "average"}), Recipe(method="pca", parameters={"patch": 9})
        )
        assert (own.method, own.parameters) == ("average", {})

    @pytest.mark.parametrize(
        "overrides", [{"method": "pcb"}, {"parameters": {"patsch": "1"}}, {"registration": "?"}]
    )
    def test_faults_are_named_with_the_study(self, overrides):
        with pytest.raises(ParameterError, match="study a: unknown"):
            recipe_of(Planned("a", None, overrides), Recipe(method="pca"))

    def test_a_device_of_the_worker_is_not_asked_of_this_machine(self):
        recipe = Recipe(method="dip", device="cuda:7")
        assert recipe_of(Planned("a", None), recipe).device == "cuda:7"


def candidate(label, **values):
    return Candidate("s", "v", Path(label), "", label, values)


class TestRules:
    CANDIDATES = (
        candidate("scout", kind="CT", description="scout", slices=3.0),
        candidate("thin", kind="CT", description="Head thin", slices=200.0),
        candidate("thick", kind="CT", description="Head thick", slices=40.0),
        candidate("t1", kind="MR", description="ax T1 +C", slices=30.0),
    )

    @pytest.mark.parametrize(
        ("rule", "chosen"),
        [
            ("CT, most slices", "thin"),
            ("ct, slices>10, fewest slices", "thick"),
            ("MR", "t1"),
            ("description~t1", "t1"),
            ("CT, description!~head", "scout"),
            ("CT,description~HEAD,slices!=200", "thick"),
            ("slices=30", "t1"),
            ("CT, slices >= 40, slices<=40", "thick"),
            ("kind = MR , slices<31", "t1"),
        ],
    )
    def test_choose(self, rule, chosen):
        choice = Rule.parse(rule).choose(self.CANDIDATES)
        assert choice.one is not None
        assert (choice.one.label, choice.problem) == (chosen, "")

    def test_ambiguity_is_said_and_not_decided(self):
        one, problem, left = Rule.parse("CT, slices>10").choose(self.CANDIDATES)
        assert one is None
        assert problem == "2 match 'CT, slices>10': thin; thick"
        assert len(left) == 2

    def test_a_tie_is_an_ambiguity(self):
        twins = [candidate("a", kind="CT", slices=9.0), candidate("b", kind="CT", slices=9.0)]
        assert Rule.parse("CT, most slices").choose(twins).one is None

    def test_nothing_matches(self):
        assert "nothing matches 'US'" in Rule.parse("US").choose(self.CANDIDATES).problem

    @pytest.mark.parametrize("text", ["", "CT,,", "slices>many", "most slices, fewest slices", "a b"])
    def test_faulty_rules(self, text):
        with pytest.raises(ParameterError, match="rule"):
            Rule.parse(text)

    def test_unknown_keys(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'description'"):
            Rule.parse("descripton~T1").check_keys(["description", "slices"])


class TestPseudonyms:
    def test_are_keyed_hashes(self, tmp_path):
        key = tmp_path / "key"
        names = Pseudonyms.from_file(key)
        secret = bytes.fromhex(key.read_text())
        assert len(secret) == 32
        assert key.stat().st_mode & 0o777 == 0o600
        expected = hmac.new(secret, b"patient\x1fP1", sha256).hexdigest()[:10]
        assert names.name("patient", "P1") == expected
        assert Pseudonyms.from_file(key).name("patient", "P1") == expected

    def test_another_key_gives_other_names(self, tmp_path):
        names = {Pseudonyms.from_file(tmp_path / f"key{i}").name("P1") for i in range(3)}
        assert len(names) == 3

    @pytest.mark.parametrize("content", ["", "not hex", "abcd"])
    def test_faulty_keys(self, tmp_path, content):
        (tmp_path / "key").write_text(content)
        with pytest.raises(ReadError, match="key"):
            Pseudonyms.from_file(tmp_path / "key")

    def test_unwritable(self, tmp_path):
        with pytest.raises(WriteError, match="key file"):
            Pseudonyms.from_file(tmp_path / "nowhere" / "key")

    def test_rows_without_a_name(self, tmp_path):
        path = table(tmp_path, "study,fixed,moving\n,DOE_JOHN.nii,2.nii\n,3.nii,2.nii\n")
        names = [one.name for one in find_studies(path, key=tmp_path / "key")]
        assert names == [one.name for one in find_studies(path, key=tmp_path / "key")]
        assert len(set(names)) == 2
        assert all(re.fullmatch("S[0-9a-f]{10}", name) for name in names)


class TestBids:
    @pytest.fixture
    def dataset(self, tmp_path):
        for name in (
            "sub-01/ses-a/ct/sub-01_ses-a_ct.nii.gz",
            "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
            "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz",
            "sub-01/ses-b/ct/sub-01_ses-b_ct.nii.gz",
            "sub-01/ses-b/anat/sub-01_ses-b_run-1_T1w.nii.gz",
            "sub-01/ses-b/anat/sub-01_ses-b_run-2_T1w.nii.gz",
            "sub-02/ct/sub-02_ct.nii.gz",
            "sub-02/anat/sub-02_T1w.nii",
            "sub-02/anat/sub-02_T1w.json",
            "sub-03/ses-a/ct/sub-03_ses-a_ct.nii.gz",
            "sub-03/ses-b/anat/sub-03_ses-b_T1w.nii.gz",
            "sub-04/anat/sub-04_T1w.nii.gz",
            "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    def test_pairs(self, dataset):
        found = {one.name: one for one in find_studies(dataset, "ct", ["T1w"])}
        assert list(found) == ["sub-01_ses-a", "sub-01_ses-b", "sub-02", "sub-03", "sub-04"]
        a = found["sub-01_ses-a"].study
        assert [path.name for path in a.paths] == ["sub-01_ses-a_ct.nii.gz", "sub-01_ses-a_T1w.nii.gz"]
        assert [one.modality for one in a.volumes] == ["CT", "MR"]
        assert found["sub-02"].study.moving[0].path.name == "sub-02_T1w.nii"
        assert found["sub-03"].note == "paired across visits"
        assert found["sub-03"].study is not None
        assert "fixed: nothing matches 'ct'" in found["sub-04"].problem
        assert found["sub-01_ses-b"].study is None
        assert "2 match 'T1w'" in found["sub-01_ses-b"].problem

    def test_entities_decide(self, dataset):
        found = {one.name: one for one in find_studies(dataset, "ct", ["T1w, run!=1"])}
        assert "run-2" in found["sub-01_ses-b"].study.moving[0].path.name

    def test_three_volumes(self, dataset):
        found = find_studies(dataset, "ct", ["T1w", "T2w"])
        assert [len(one.study.moving) for one in found if one.study] == [2]

    def test_one_volume_cannot_be_both(self, dataset):
        (found,) = (one for one in find_studies(dataset, "ct", ["ct"]) if one.name == "sub-02")
        assert found.problem == "two rules choose the same volume"

    def test_what_lies_beside_sessions_is_paired_with_them(self, dataset):
        for name in ("sub-05/ses-a/ct/sub-05_ses-a_ct.nii.gz", "sub-05/anat/sub-05_T1w.nii.gz"):
            (dataset / name).parent.mkdir(parents=True, exist_ok=True)
            (dataset / name).touch()
        (found,) = (one for one in find_studies(dataset, "ct", ["T1w"]) if one.name == "sub-05")
        assert [path.name for path in found.study.paths] == ["sub-05_ses-a_ct.nii.gz", "sub-05_T1w.nii.gz"]
        assert found.note == "paired across visits"

    @pytest.mark.parametrize("kind", ["dangling", "annex", "lfs"])
    def test_content_that_was_not_fetched_is_said(self, dataset, kind):
        path = dataset / "sub-02/ct/sub-02_ct.nii.gz"
        path.unlink()
        if kind == "dangling":
            path.symlink_to(dataset / ".git" / "annex" / "objects" / "x")
        else:
            first = {"annex": "../.git/annex/objects/x", "lfs": "version https://git-lfs.github.com/spec/v1"}
            path.write_text(first[kind] + "\n")
        (found,) = (one for one in find_studies(dataset, "ct", ["T1w"]) if one.name == "sub-02")
        assert found.study is None
        assert f"fixed: sub-02_ct.nii.gz is a {'link' if kind == 'dangling' else 'pointer'}" in found.problem

    def test_files_are_chosen_by_their_names_too(self, dataset):
        found = {one.name: one for one in find_studies(dataset, "*_CT.nii*", ["*run-2_t1w*"])}
        assert found["sub-01_ses-b"].study.moving[0].path.name == "sub-01_ses-b_run-2_T1w.nii.gz"

    def test_an_ambiguous_plan_is_edited_and_read(self, dataset):
        plan = dataset / "plan.csv"
        write_table(find_studies(dataset, "ct", ["T1w"]), plan)
        rows = {row["study"]: row for row in csv.DictReader(plan.read_text().splitlines())}
        row = rows["sub-01_ses-b"]
        assert (row["fixed"], row["moving"]) == ("sub-01/ses-b/ct/sub-01_ses-b_ct.nii.gz", "")
        choices = re.findall(r"moving: (\S+)", row["choices"])
        assert [Path(path).exists() for path in choices] == [True, True]
        text = plan.read_text().replace(f"{row['fixed']},,", f"{row['fixed']},{choices[0]},")
        plan.write_text(text)
        (edited,) = (one for one in read_table(plan) if one.name == "sub-01_ses-b")
        assert edited.study.paths[1:] == (Path(choices[0]),)


class TestDicom:
    @pytest.fixture
    def archive(self, tmp_path):
        root = tmp_path / "archive"
        series(root / "a" / "ct", "DOE1", "1.2.1", 2, "head", "CT", depth=3)
        series(root / "a" / "thick", "DOE1", "1.2.1", 3, "head thick", "CT", depth=2)
        series(root / "a" / "mr", "DOE1", "1.2.2", 4, "ax T1")
        series(root / "mixed", "ROE2", "1.3.1", 5, "head", "CT")
        for number, description in ((6, "T1"), (7, "T2"), (8, "T1 again")):
            for path in series(root / f"tmp{number}", "ROE2", "1.3.1", number, description):
                path.rename(root / "mixed" / f"{number}-{path.name}")
        (root / "mixed" / "notes.txt").write_text("no DICOM")
        return root

    def find(self, archive, *rules, key="key"):
        return find_studies(archive, rules[0], rules[1:], archive.parent / key)

    def test_pairs_and_ambiguities(self, archive):
        found = self.find(archive, "CT, most slices", "MR, description~T1")
        doe = next(one for one in found if one.study)
        assert doe.study == Study(archive / "a" / "ct", (archive / "a" / "mr",))
        assert doe.note == "paired across visits"
        assert doe.labels == ("2 'head' (CT, 3 images)", "4 'ax T1' (MR, 3 images)")
        roe = next(one for one in found if not one.study)
        assert "2 match 'MR, description~T1': 6 'T1' (MR, 3 images); 8 'T1 again'" in roe.problem

    def test_a_series_among_others_is_named_by_one_of_its_files(self, archive):
        found = self.find(archive, "CT, most slices", "MR, description~T1, fewest number")
        (roe,) = (one for one in found if one.note == "")
        assert all(path.is_file() for path in roe.study.paths)
        assert roe.study.moving[0].path.name.startswith("6-")
        assert [read_volume(path).array.shape for path in roe.study.paths] == [(3, 4, 4)] * 2

    def test_no_identity_in_names_labels_and_problems(self, archive):
        for one in self.find(archive, "CT", "MR"):
            assert re.fullmatch(r"P[0-9a-f]{10}-[0-9a-f]{6}", one.name)
            assert not re.search("DOE|ROE|Name", " ".join((one.name, *one.labels, one.note, one.problem)))

    def test_names_depend_on_the_key_alone(self, archive):
        rules = ("CT, most slices", "MR, most number")
        names = [one.name for one in self.find(archive, *rules)]
        assert [one.name for one in self.find(archive, *rules)] == names
        assert not set(names) & {one.name for one in self.find(archive, *rules, key="other")}

    def test_shared_patient_numbers_are_seen(self, tmp_path):
        root = tmp_path / "archive"
        series(root / "1", "ANON", "1.1", 1, "head", "CT", PatientBirthDate="19500101")
        series(root / "2", "ANON", "1.2", 2, "T1", PatientBirthDate="19600101")
        (found,) = self.find(root, "CT", "MR")
        assert "different birth dates" in found.problem

    def test_without_patient_number_only_a_study_holds_files_together(self, tmp_path):
        root = tmp_path / "archive"
        series(root / "1", "", "1.1", 1, "head", "CT")
        series(root / "2", "", "1.2", 2, "T1")
        assert [one.study for one in self.find(root, "CT", "MR")] == [None, None]

    def test_what_is_no_volume_is_no_candidate(self, tmp_path):
        root = tmp_path / "archive"
        series(root / "1", "X", "1.1", 1, "head", "CT")
        series(root / "2", "X", "1.1", 2, "scout", "CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        series(root / "3", "X", "1.1", 3, "T1")
        (found,) = self.find(root, "CT", "MR")
        assert found.study == Study(root / "1", (root / "3",))

    def test_what_medfuse_wrote_is_no_candidate(self, tmp_path):
        root = tmp_path / "archive"
        series(root / "1", "X", "1.1", 1, "head", "CT")
        series(root / "3", "X", "1.1", 3, "T1")
        ours = {"Manufacturer": "medfuse", "ManufacturerModelName": "medfuse"}
        series(root / "4", "X", "1.1", 301, "fused MR, not for diagnosis", depth=9, **ours)
        (found,) = self.find(root, "CT", "MR, most slices")
        assert found.study == Study(root / "1", (root / "3",))

    def test_a_damaged_file_does_not_stop_the_search(self, archive):
        (archive / "a" / "ct" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
        assert any(one.study for one in self.find(archive, "CT, most slices", "MR, description~T1"))

    def test_refusals(self, archive, tmp_path):
        with pytest.raises(ParameterError, match="--key"):
            find_studies(archive, "CT", ["MR"])
        with pytest.raises(ParameterError, match="needs rules"):
            find_studies(archive)
        with pytest.raises(UnknownNameError, match="desc"):
            self.find(archive, "CT", "desc~T1")
        (tmp_path / "empty").mkdir()
        with pytest.raises(ReadError, match="no DICOM series"):
            self.find(tmp_path / "empty", "CT", "MR")
        with pytest.raises(ReadError, match="does not exist"):
            find_studies(tmp_path / "nowhere")
        with pytest.raises(ParameterError, match="names its files"):
            find_studies(table(tmp_path, "x"), "CT", ["MR"])


class TestNamedFiles:
    """NIfTI and other files of each patient, chosen by patterns of their names."""

    def find(self, root, *rules):
        return find_studies(root, rules[0], rules[1:], root.parent / "key")

    def made(self, root, *names):
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    def test_a_folder_for_each_patient(self, tmp_path):
        root = self.made(
            tmp_path / "data",
            *(
                "DOE/head_ct.nii.gz",
                "DOE/x_T1.nii.gz",
                "DOE/x_T1.json",
                "ROE/a/head_ct.nrrd",
                "ROE/a/t_t1.mha",
            ),
            *("POE/p_ct.nii", "POE/p_t1.nii", "POE/q_t1.nii", "MOE/p_ct.nii"),
        )
        found = self.find(root, "*_ct*", "*_t1*")
        doe, roe = (one.study for one in found if one.study)
        assert doe.paths == (root / "DOE/head_ct.nii.gz", root / "DOE/x_T1.nii.gz")
        assert roe.paths == (root / "ROE/a/head_ct.nrrd", root / "ROE/a/t_t1.mha")
        (several,) = (one for one in found if "2 match '*_t1*'" in one.problem)
        assert [Path(choice.partition(": ")[2]).name for choice in several.choices] == [
            "p_t1.nii",
            "q_t1.nii",
        ]
        assert sum("nothing matches '*_t1*'" in one.problem for one in found) == 1
        assert all(re.fullmatch("P[0-9a-f]{10}", one.name) for one in found)
        for one in found:  # what goes into results names nobody
            assert not re.search("[DRPM]OE|p_ct", " ".join((one.name, *one.labels, one.note, one.problem)))

    def test_all_files_in_one_folder(self, tmp_path):
        names = ("p01_ct.nii.gz", "p01_t1.nii.gz", "p02_t1.nii.gz", "p02_CT.nii.gz", "p03_ct.nii.gz")
        root = self.made(tmp_path / "data", *names)
        studies = [one.study for one in self.find(root, "*_ct*", "*_t1*")]
        assert sorted([path.name for path in one.paths] for one in studies if one) == [
            ["p01_ct.nii.gz", "p01_t1.nii.gz"],
            ["p02_CT.nii.gz", "p02_t1.nii.gz"],
        ]
        assert studies.count(None) == 1

    def test_results_are_not_chosen(self, tmp_path):
        root = self.made(
            tmp_path / "data",
            *("p1/a_ct.nii", "p1/a_t1.nii", "p1/out/registered/moving_1_ct.nii", "p1/out/fused_t1.nii"),
            *("p1/out/provenance.json", "p1/out/recipe.toml"),
            *("p2/s_provenance.json", "p2/s_recipe.toml", "p2/s_space-fixed_desc-fixed_ct.nii"),
        )
        (found,) = self.find(root, "*_ct*", "*_t1*")
        assert found.study == Study(root / "p1/a_ct.nii", root / "p1/a_t1.nii")

    def test_refusals(self, tmp_path):
        root = self.made(tmp_path / "data", "a/x.txt")
        with pytest.raises(ReadError, match=r"holds no volumes"):
            self.find(root, "*_ct*", "*_t1*")
        with pytest.raises(ParameterError, match="--key"):
            find_studies(root, "*_ct*", ["*_t1*"])
        with pytest.raises(UnknownNameError, match="kind"):
            self.find(root, "*_ct*", "T1")
        with pytest.raises(ReadError, match=r"chosen by their names, such as --fixed"):
            self.find(root, "CT", "MR")

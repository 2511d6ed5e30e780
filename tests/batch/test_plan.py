"""Which scenes a batch takes, from where, and when two runs of one are the same."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from products import write_item, write_safe
from testutils import run_cli, write_scene

import geocloud
from geocloud import BatchOptions, DetectOptions, SceneOptions
from geocloud.batch import cluster
from geocloud.batch.identity import fingerprint, parameter_hash
from geocloud.batch.manifest import Manifest, Record, read_manifest
from geocloud.batch.plan import make_plan
from geocloud.batch.scene_lists import read_collection, read_list
from geocloud.errors import EnvironmentProblem, InputError, ModelError, UsageError

FAST = BatchOptions(DetectOptions(model="brightness"))


def link(rel: str, href: str) -> dict[str, str]:
    return {"rel": rel, "href": href}


def write_json(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


class TestFingerprint:
    def test_a_changed_file_is_another(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif")
        before = fingerprint(str(path))
        assert fingerprint(str(path)) == before
        os.utime(path, ns=(1, 1))
        assert fingerprint(str(path)) != before

    def test_any_file_of_a_product_counts(self, tmp_path: Path) -> None:
        folder, _ = write_safe(tmp_path)
        before = fingerprint(str(folder))
        metadata = next(folder.rglob("MTD_MSIL1C.xml"))
        assert fingerprint(str(metadata)) == before
        os.utime(next(folder.rglob("*B02*")), ns=(1, 1))
        assert fingerprint(str(folder)) != before

    def test_so_do_the_files_an_item_names(self, tmp_path: Path) -> None:
        path, _ = write_item(tmp_path)
        before = fingerprint(str(path))
        os.utime(tmp_path / "red.tif", ns=(1, 1))
        assert fingerprint(str(path)) != before

    def test_a_scene_that_is_not_there_has_one_too(self) -> None:
        assert fingerprint("/nowhere/scene.tif") != fingerprint("s3://bucket/scene.tif")


class TestParameters:
    def test_what_changes_pixels_changes_the_hash(self, tmp_path: Path) -> None:
        plain = parameter_hash(DetectOptions())
        assert parameter_hash(DetectOptions(overwrite=True, threads=3, stac=True)) == plain
        others = [
            DetectOptions(threshold=-1.0),
            DetectOptions(model="hot"),
            DetectOptions(min_area=3),
            DetectOptions(scene=SceneOptions(scale=1e-4)),
        ]
        assert len({plain, *map(parameter_hash, others)}) == 5

    def test_a_model_goes_by_its_card_and_not_by_its_place(self, tmp_path: Path) -> None:
        from geocloud.models.registry import model_folder

        copy = shutil.copytree(model_folder("default"), tmp_path / "copy")
        assert parameter_hash(DetectOptions(model=str(copy))) == parameter_hash(DetectOptions())
        card = json.loads((copy / "card.json").read_text())
        card["calibration"]["threshold"] += 0.1
        (copy / "card.json").write_text(json.dumps(card))
        assert parameter_hash(DetectOptions(model=str(copy))) != parameter_hash(DetectOptions())


class TestRefused:
    def test_no_scenes(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no scenes; give paths, --list FILE or --stac-collection"):
            geocloud.detect_many([], tmp_path)

    def test_two_scenes_that_would_write_the_same(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"would both write a_cloudmask\.tif; run them into two folders"):
            make_plan([tmp_path / "x" / "a.tif", tmp_path / "y" / "a.tif"], tmp_path, FAST, {})
        assert len(make_plan([tmp_path / "a.tif", tmp_path / "a.tif"], tmp_path, FAST, {}).todo) == 1

    def test_two_names_that_are_one_file_where_letter_case_counts_for_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert len(make_plan([tmp_path / "a.tif", tmp_path / "A.tif"], tmp_path, FAST, {}).todo) == 2
        monkeypatch.setattr("geocloud.pipeline.places.ignores_case", lambda _folder: True)
        with pytest.raises(UsageError, match=r"would both write A_cloudmask\.tif"):
            make_plan([tmp_path / "a.tif", tmp_path / "A.tif"], tmp_path, FAST, {})

    @pytest.mark.skipif(os.name == "nt", reason="has no named pipes in folders")
    def test_a_pipe_in_the_place_of_the_summary_before_the_work(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "summary.csv")
        for options in (FAST, replace(FAST, resume=True)):
            with pytest.raises(UsageError, match=r"summary\.csv is no plain file"):
                make_plan([tmp_path / "a.tif"], tmp_path, options, {})

    def test_a_name_in_another_letter_case_is_no_file_where_case_counts(self, tmp_path: Path) -> None:
        (tmp_path / "a_CLOUDMASK.tif").touch()
        assert (tmp_path / "a_cloudmask.tif").exists() or len(make_plan(["a.tif"], tmp_path, FAST, {}).todo) == 1

    def test_masks_of_others(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif")
        geocloud.detect(path, tmp_path / "out", FAST.detect)
        with pytest.raises(UsageError, match=r"a_cloudmask\.tif exists and is in no manifest; pass --resume to go on"):
            geocloud.detect_many([path], tmp_path / "out", FAST)

        resumed = geocloud.detect_many([path], tmp_path / "out", replace(FAST, resume=True))

        assert [record.scene for record in resumed.done] == [str(path)]

    def test_an_unknown_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model 'none'"):
            geocloud.detect_many(["a.tif"], tmp_path / "out", BatchOptions(DetectOptions(model="none")))
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"retries": -1}, "retries -1 must be 0 or more"),
            ({"split": 0}, "split 0 must be 1 or more"),
            ({"workers": 0}, "workers 0 must be 1 or more"),
            ({"resume": True, "retry_failed": True}, "give one of them"),
            ({"workers": 2, "scheduler": "tcp://a:1"}, "exclude each other"),
            ({"resume": True, "detect": DetectOptions(overwrite=True)}, "--overwrite begins anew"),
        ],
    )
    def test_options(self, options: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UsageError, match=sentence):
            BatchOptions(**options)

    def test_a_scheduler_that_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
        path = write_scene(tmp_path / "a.tif")
        options = BatchOptions(FAST.detect, scheduler="tcp://127.0.0.1:9")
        with pytest.raises(EnvironmentProblem, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
            geocloud.detect_many([path], tmp_path / "out", options)
        options = BatchOptions(FAST.detect, scheduler_file=tmp_path / "none.json")
        with pytest.raises(UsageError, match=r"none\.json does not exist"):
            geocloud.detect_many([path], tmp_path / "out2", options)

    def test_by_the_command_with_exit_code_2(self, tmp_path: Path) -> None:
        result = run_cli("batch", "--out", tmp_path / "out", "--model", "brightness")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("error: no scenes")


class TestManifest:
    def test_one_batch_at_a_time(self, tmp_path: Path) -> None:
        with Manifest(tmp_path), pytest.raises(UsageError, match="another batch is writing"):
            Manifest(tmp_path)

    def test_half_a_line_is_passed_over_and_ended(self, tmp_path: Path) -> None:
        with Manifest(tmp_path) as manifest:
            manifest.add(Record("a.tif", "done", "p"))
        with manifest.path.open("a") as file:
            file.write('{"scene": "b')
        with Manifest(tmp_path) as manifest:
            manifest.add(Record("c.tif", "failed", "p", error="no"))
        assert {name: record.status for name, record in read_manifest(tmp_path).items()} == {
            "a.tif": "done",
            "c.tif": "failed",
        }

    def test_the_last_record_of_a_scene_holds(self, tmp_path: Path) -> None:
        with Manifest(tmp_path) as manifest:
            manifest.add(Record("a.tif", "failed", "p", error="no"))
            manifest.add(Record("a.tif", "done", "p", notes=("assumed",)))
        assert read_manifest(tmp_path) == {"a.tif": Record("a.tif", "done", "p", notes=("assumed",))}


class TestLists:
    def test_a_scene_a_line(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("# mine\n a.tif \n\nhttps://x/b.tif\n")
        assert read_list(str(tmp_path / "list")) == ["a.tif", "https://x/b.tif"]
        (tmp_path / "list").write_text("# none\n")
        with pytest.raises(UsageError, match="names no scene"):
            read_list(str(tmp_path / "list"))
        with pytest.raises(UsageError, match="cannot be read as a list"):
            read_list(str(tmp_path))

    def test_items_of_a_catalog_and_its_children(self, tmp_path: Path) -> None:
        first, _ = write_item(tmp_path / "may" / "one")
        second, _ = write_item(tmp_path / "two")
        may = {"type": "Collection", "links": [link("item", "./one/item.json"), link("root", "../all.json")]}
        write_json(tmp_path / "may" / "collection.json", may)
        catalog = {"type": "Catalog", "links": [link("item", "two/item.json"), link("child", "may/collection.json")]}
        path = write_json(tmp_path / "all.json", catalog)
        assert read_collection(str(path)) == [str(second), str(first)]

    def test_a_saved_search(self, tmp_path: Path) -> None:
        item, _ = write_item(tmp_path / "one")
        feature = {**json.loads(item.read_text()), "links": [link("self", "one/item.json")]}
        path = write_json(tmp_path / "search.json", {"type": "FeatureCollection", "features": [feature]})
        assert read_collection(str(path)) == [str(item)]
        feature["links"] = []
        write_json(path, {"type": "FeatureCollection", "features": [feature]})
        with pytest.raises(InputError, match="without a link to itself"):
            read_collection(str(path))
        write_json(path, {"type": "FeatureCollection", "features": None})
        with pytest.raises(InputError, match="has no items"):
            read_collection(str(path))

    def test_the_reading_rule_holds(self, tmp_path: Path) -> None:
        item, _ = write_item(tmp_path / "elsewhere")
        inside = tmp_path / "inside"
        path = write_json(inside / "c.json", {"type": "Collection", "links": [link("item", str(item))]})
        with pytest.raises(InputError, match="is not beside or below it"):
            read_collection(str(path))
        assert read_collection(str(path), allow_external=True) == [str(item)]

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ({"type": "Feature"}, "is no STAC Collection"),
            ({"type": "Collection", "links": []}, "has no items"),
            ({"type": "Catalog", "links": [{"rel": "child", "href": "c.json"}]}, "catalogs deep"),
        ],
    )
    def test_others_are_refused(self, tmp_path: Path, content: dict[str, Any], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            read_collection(str(write_json(tmp_path / "c.json", content)))

    def test_items_go_by_their_id(self, tmp_path: Path) -> None:
        paths = [write_item(tmp_path / name)[0] for name in ("one", "two")]
        changed = {**json.loads(paths[1].read_text()), "id": "../other"}
        paths[1].write_text(json.dumps(changed))
        tasks = make_plan(paths, tmp_path / "out", FAST, {}).todo
        assert [task.stem for task in tasks] == [json.loads(paths[0].read_text())["id"], "_other"]
        with geocloud.open_scene(paths[1]) as scene:
            assert scene.name == tasks[1].stem

"""A prepared case, a stand-in for the command that a job runs, and the page over them."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from gliotype._version import __version__
from gliotype.cached_study import CachedStudy, save_cached
from gliotype.report import write_result
from gliotype.serve.web.app import make_app
from gliotype.serve.web.cases import PRIVATE, CaseFolder
from gliotype.serve.web.runs import Runs
from support.factory import make_result_with_perfusion

TOKEN, PORT = "s3cret-token", 8420
ORIGIN = f"http://127.0.0.1:{PORT}"

STAND_IN = '''
"""Do as `gliotype predict` and `gliotype revise` do, with results that were made before."""
import json, shutil, sys, time
from pathlib import Path

results, cached, *arguments = sys.argv[1:]
Path("arguments.json").write_text(json.dumps(arguments))
if arguments[0] == "dicom":
    if list(Path(arguments[3]).glob("no-dicom.nii")):
        sys.exit("gliotype: no series of the study has the voxels of the reference image")
    sys.exit(0)
study, out = Path(arguments[1]), Path(arguments[arguments.index("-o") + 1])
stated = dict(each[2:].split("=", 1) for each in arguments if each.startswith("--"))
names = {file.name for file in study.rglob("*")} if study.is_dir() else {study.name}
print("read", file=sys.stderr, flush=True)
if "slow.nii" in names or stated.get("age") == "99.0":
    print("prepare", file=sys.stderr, flush=True)
    time.sleep(60)
if "notes.txt" in names:
    sys.exit("gliotype: the study holds no image among its files: give DICOM, or NIfTI as .nii or .nii.gz")
if "mask" in stated and Path(stated["mask"]).read_bytes().startswith(b"text"):
    sys.exit("gliotype: the mask is not NIfTI: give a .nii or .nii.gz file")
shutil.copytree(results, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("prediction.json"))
if "keep" in stated:
    target = Path(stated["keep"])
    target.mkdir(exist_ok=True)
    (target / "values.json").unlink(missing_ok=True)
    for name in ("arrays.zip", "values.json"):
        shutil.copy(Path(cached, name), target / name)
document = json.loads(Path(results, "prediction.json").read_text())
document |= {"subject": stated["id"]} | ({"age": float(stated["age"])} if "age" in stated else {})
(out / "aside.json").write_text(json.dumps(document))
(out / "aside.json").replace(out / "prediction.json")
print("report", file=sys.stderr, flush=True)
'''


@dataclass(frozen=True)
class Prepared:
    """Results and the cached study of one synthetic case, and the command that passes them off as its own."""

    results: Path
    cached: Path
    script: Path

    @property
    def command(self) -> tuple[str, ...]:
        """Stands in for ``python -m gliotype``."""
        return (sys.executable, str(self.script), str(self.results), str(self.cached))


def prepare_case(folder: Path) -> Prepared:
    """Make what the stand-in hands out."""
    result = make_result_with_perfusion()
    prepared = Prepared(folder / "results", folder / "cached", folder / "stand_in.py")
    write_result(result, prepared.results)
    cached = CachedStudy(
        result.study,
        result.prepared,
        result.tumour,
        result.measurements,
        None,
        result.paths,
        None,
        __version__,
    )
    save_cached(cached, prepared.cached)
    prepared.script.write_text(STAND_IN, encoding="utf-8")
    return prepared


class Page:
    """The page as a test uses it."""

    def __init__(self, root: Path, client: TestClient, runs: Runs) -> None:
        self.root, self.client, self.runs = root, client, runs

    @property
    def private(self) -> Path:
        """What is not for others."""
        return self.root / PRIVATE

    def get(self, path: str) -> Any:
        """Parsed answer of an address that exists."""
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def upload(self, files: dict[str, bytes], **stated: Any) -> str:
        """Make a case with files; return its id."""
        made = self.client.post("/api/cases", json=stated)
        assert made.status_code == 201, made.text
        case = str(made.json()["id"])
        for path, content in files.items():
            sent = self.client.put(f"/api/cases/{case}/file", params={"path": path}, content=content)
            assert sent.status_code == 201, sent.text
        return case

    def predicted(self, files: dict[str, bytes], **stated: Any) -> str:
        """Make a case with files, and wait for its prediction."""
        case = self.upload(files, **stated)
        assert self.client.post(f"/api/cases/{case}/predict", json={}).status_code == 202
        self.wait(case)
        return case

    def wait(self, case: str, *states: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until the job of a case has ended, or has one of the states."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found: dict[str, Any] = self.get(f"/api/cases/{case}")
            if found["progress"]["state"] in (states or ("done", "failed", "cancelled")):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{case} is still {found['progress']}")


@contextmanager
def open_page(root: Path, prepared: Prepared) -> Iterator[Page]:
    """Serve a folder with the stand-in, to a client that has the token and sends the page's Origin."""
    cases = CaseFolder(root)
    runs = Runs(cases, prepared.command)
    app = make_app(cases, runs, TOKEN, PORT)
    with TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN}) as client:
        client.get("/", params={"token": TOKEN})
        yield Page(root, client, runs)


def copy_results(prepared: Prepared, folder: Path) -> None:
    """Put results where the command line would have written them."""
    shutil.copytree(prepared.results, folder)

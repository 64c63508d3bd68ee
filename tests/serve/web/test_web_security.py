"""Only the page of this start may use the server: every other request is refused, and the service continues."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from support.web import ORIGIN, TOKEN, Page

READ, WRITE = ("GET", "/api/cases"), ("POST", "/api/cases")


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (READ, {"host": "evil.example:8420"}, 421),
        (READ, {"host": "127.0.0.1:9999"}, 421),
        (READ, {"host": "127.0.0.1"}, 421),
        (READ, {"host": "127.0.0.1:8420@evil.example"}, 421),
        (READ, {"origin": "http://evil.example"}, 403),
        (READ, {"origin": "http://127.0.0.1:9999"}, 403),
        (READ, {"sec-fetch-site": "cross-site"}, 403),
        (READ, {"sec-fetch-site": "same-site"}, 403),
        (WRITE, {"origin": "http://evil.example"}, 403),
        (WRITE, {"origin": "http://localhost:8420"}, 403),
        (WRITE, {"origin": "null"}, 403),
        (WRITE, {"origin": ""}, 403),
        (READ, {"cookie": ""}, 403),
        (READ, {"cookie": "gliotype-8420=wrong"}, 403),
        (READ, {"cookie": f"gliotype-9999={TOKEN}"}, 403),
        (READ, {"cookie": f"gliotype-8420={TOKEN}x"}, 403),
        (READ, {"cookie": "gliotype-8420=\xff; ;;="}, 403),
    ],
)
def test_a_request_from_elsewhere_is_refused(
    page: Page, request_line: tuple[str, str], headers: dict[str, str], status: int
) -> None:
    refused = page.client.request(*request_line, headers={k: v.encode("latin-1") for k, v in headers.items()})
    assert refused.status_code == status
    assert refused.json()["error"]
    assert "access-control-allow-origin" not in refused.headers
    assert page.get("/api/cases")["cases"] == []


def test_a_write_without_an_origin_is_refused(page: Page) -> None:
    del page.client.headers["origin"]
    assert page.client.post("/api/cases", json={}).status_code == 403
    assert page.client.get("/api/cases").status_code == 200


def test_the_page_opens_under_both_names_of_this_machine(page: Page) -> None:
    other = "http://localhost:8420"
    assert page.client.get(
        "/", params={"token": TOKEN}, headers={"host": "localhost:8420", "origin": other}
    ).is_success


def test_the_token_in_the_address_becomes_a_cookie_that_no_script_and_no_other_site_gets(page: Page) -> None:
    fresh = TestClient(page.client.app, base_url=ORIGIN, follow_redirects=False)
    assert fresh.get("/").status_code == 403
    assert fresh.get("/static/js/main.js").status_code == 403
    assert fresh.get("/", params={"token": "wrong"}).status_code == 403
    entered = fresh.get("/", params={"token": TOKEN})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(entered.headers["set-cookie"].split("; "))


@pytest.mark.parametrize(
    "path", ["/", "/static/js/main.js", "/api/cases", "/api/cases/none", "/nothing", "/static/../app.py"]
)
def test_every_answer_forbids_scripts_frames_and_readers_from_elsewhere(page: Page, path: str) -> None:
    headers = page.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_the_report_is_shown_without_any_right_to_run_scripts(page: Page) -> None:
    case = page.predicted({"T1.nii": b"voxels"})
    report = page.client.get(f"/api/cases/{case}/report")
    assert report.headers["content-type"].startswith("text/html")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/api/cases/..%2f..",
        "/api/cases/.gliotype-web",
        "/api/cases/{}/files/..%2fcase.json",
        "/api/cases/{}/files/%2fetc%2fpasswd",
        "/api/cases/{}/files/../../.gliotype-web/jobs.sqlite",
        "/api/cases/{}/volumes/..%2f..%2fcase.nii",
    ],
)
def test_no_address_leads_to_other_files(page: Page, path: str) -> None:
    case = page.predicted({"T1.nii": b"voxels"})
    assert page.client.get(path.format(case)).status_code == 404


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'"text"', b"\xff", b'{"age": "old"}', b'{"sex": 7}', b'{"sequences": [1]}']
)
def test_what_the_page_would_not_send_is_refused_in_a_sentence(page: Page, body: bytes) -> None:
    refused = page.client.post("/api/cases", content=body)
    assert refused.status_code == 400
    assert ":" in refused.json()["error"]


def test_a_very_long_request_is_refused(page: Page) -> None:
    assert page.client.post("/api/cases", content=b" " * 300_000).status_code == 413
    assert page.client.request("PATCH", "/api/cases").status_code == 405

"""Every way to say no has one meaning, a code and a sentence."""

import json

import httpx
import pytest

from tests.factories import SparkFactory
from tests.integration.conftest import Api

SPARK = {"name": "spark-9", "host": "192.0.2.9", "ssh_user": "nvidia"}


def test_a_problem_has_everything_a_script_needs(api: Api) -> None:
    answer = api("read").get("/api/swap/12345", headers={"X-Request-ID": "nightly-7"})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == "nightly-7"
    problem = answer.json()
    assert problem == {
        "type": "/problems/unknown-swap",
        "title": "Not found",
        "status": 404,
        "detail": "There is no swap 12345; GET /api/swap lists them.",
        "code": "unknown-swap",
        "errors": [],
        "request_id": "nightly-7",
    }


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a;b", "ä"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(api: Api, given: str) -> None:
    answer = api("read").get("/api/status", headers={b"X-Request-ID": given.encode()})

    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b'{"name": ', "malformed-json", "column"),
        (b'{"name": "a", "name": "b"}', "malformed-json", "twice"),
        (b'{"name": "\\u0000"}', "malformed-json", "NUL"),
        (b'{"name": "\\ud800"}', "malformed-json", "surrogate"),
        (b'{"name": NaN}', "malformed-json", "NaN"),
        (b"[" * 50_000, "malformed-json", "deeper"),
        (b'\xff\xfe{"name": 1}', "malformed-json", "UTF-8"),
        (b"[]", "invalid-request", "dictionary"),
        (b'"text"', "invalid-request", "dictionary"),
    ],
)
def test_a_bad_body_is_400_and_names_the_trouble(api: Api, body: bytes, code: str, word: str) -> None:
    answer = api("config").post("/api/sparks", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert word in answer.json()["detail"]


def test_every_wrong_field_is_named(api: Api) -> None:
    answer = api("config").post("/api/sparks", json={"name": "Spark 9", "ssh_port": "22", "host": None})

    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {"name", "ssh_port", "host", "ssh_user"}


def test_an_unknown_field_is_named_with_the_close_spelling(api: Api) -> None:
    answer = api("config").post("/api/sparks", json={**SPARK, "ssh_prot": 22})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"field": "ssh_prot", "message": "There is no such field; did you mean ssh_port?"}
    ]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml"])
def test_another_kind_of_body_is_415(api: Api, kind: str) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n"
    answer = api("config").post("/api/sparks", content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_body_over_a_mebibyte_is_413(api: Api) -> None:
    body = json.dumps({**SPARK, "name": "x" * (1024 * 1024)})
    answer = api("config").post("/api/sparks", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_a_body_without_a_length_is_411_not_taken_for_empty(api: Api) -> None:
    def pieces() -> object:
        yield json.dumps(SPARK).encode()

    answer = api("config").post(
        "/api/sparks",
        content=pieces(),  # type: ignore[arg-type]
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (411, "length-required")


@pytest.mark.parametrize("path", ["/api/sparks", "/api/sparks/"])
def test_a_last_slash_makes_no_difference(api: Api, path: str) -> None:
    client = api("config")

    assert client.post(path, json=SPARK).status_code == 201
    assert client.get(path).json()["results"][0]["name"] == "spark-9"


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_an_unknown_address_below_api_is_a_problem_for_everybody(api: Api, accept: str) -> None:
    answer = api("read").get("/api/nothing", headers={"Accept": accept})

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_an_unknown_page_is_a_page_for_a_browser(web: str) -> None:
    answer = httpx.get(f"{web}/nothing", headers={"Accept": "text/html,*/*;q=0.8"})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_an_unknown_host_is_a_problem(web: str) -> None:
    answer = httpx.get(f"{web}/api/status", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Origin", "Referer"])
@pytest.mark.parametrize("origin", ["https://evil.example", "http://evil.example:9999/page", "null", "http://[bad"])
def test_a_page_of_another_site_may_change_nothing(api: Api, header: str, origin: str) -> None:
    answer = api("config").post("/api/sparks", json=SPARK, headers={header: origin})

    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")


def test_our_own_pages_and_programs_without_origin_pass(api: Api, web: str) -> None:
    client = api("config")

    assert client.post("/api/sparks", json=SPARK, headers={"Origin": web}).status_code == 201
    assert client.request("DELETE", "/api/sparks/spark-9", headers={"Referer": f"{web}/sparks/"}).status_code == 204


def test_reading_from_another_site_is_no_matter_of_origin(api: Api) -> None:
    assert api("read").get("/api/status", headers={"Origin": "https://evil.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/scrub", "/api/search", "/api/health-event"])
def test_old_open_calls_are_not_asked_for_their_origin(web: str, path: str) -> None:
    answer = httpx.post(f"{web}{path}", json={}, headers={"Origin": "https://evil.example"})

    assert answer.json()["code"] != "foreign-origin"


@pytest.mark.parametrize("path", ["/api/status", "/api/nothing", "/nothing", "/healthz"])
def test_the_security_headers_are_on_every_answer(web: str, path: str) -> None:
    headers = httpx.get(f"{web}{path}").headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_pages_are_walked_by_the_cursor(api: Api) -> None:
    for _ in range(7):
        SparkFactory()
    client, names = api("read"), []
    address: str | None = "/api/sparks?limit=3"
    while address:
        page = client.get(address).json()
        names += [spark["name"] for spark in page["results"]]
        address = page["next"]

    assert len(names) == 7 and names == sorted(set(names))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=x", "cursor=%00", "cursor=cD0x"]
)
def test_a_page_that_cannot_be_is_400(api: Api, query: str) -> None:
    answer = api("read").get(f"/api/swap?{query}")

    assert answer.status_code in (200, 400)
    if query.startswith("limit"):
        assert answer.status_code == 400


def test_people_who_lost_their_way_get_links_and_programs_a_problem(api: Api) -> None:
    client = api("read")
    page = client.get("/models-of-old/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.status_code == 404 and "/api/docs" not in page.text
    for address in ("/", "/models/", "/swaps/"):
        assert f'href="{address}"' in page.text

    for path, accept in (("/models-of-old/", "application/json"), ("/api/nothing", "text/html")):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "/api/docs lists what there is" in answer.json()["detail"]

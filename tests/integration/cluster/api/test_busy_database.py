"""A database that is busy: 503 with Retry-After for programs and people, and nothing half done."""

import sqlite3

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory

from cluster.api import failures


def told(error: Exception, **headers: str) -> HttpResponse:
    try:
        raise error
    except type(error):
        return failures.server_error(RequestFactory().get("/settings/", headers=headers))


@pytest.mark.parametrize("error", [OperationalError("database is locked"), InterfaceError("connection already closed")])
def test_a_program_is_told_to_ask_again(error: Exception) -> None:
    answer = told(error)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer["Content-Type"] == "application/problem+json"
    assert b'"code": "busy"' in answer.content
    assert b"locked" not in answer.content


def test_a_person_gets_a_page() -> None:
    answer = told(OperationalError("gone"), Accept="text/html")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert b"nothing was changed; try again shortly" in answer.content


def test_what_is_our_mistake_stays_one() -> None:
    assert told(ValueError("bug")).status_code == 500


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own way to be busy")
def test_a_writer_that_waits_too_long_is_an_operational_error() -> None:
    """What the answers above rest on."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM cluster_lookout")
    finally:
        other.close()
        connection.close()

"""The whole product behind a headless Chromium."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.acceptance.installation import Installation, clean_environment, until
from tests.needs import require_program

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("dashboard"))
    run = installation.start(SPARKSIM_LOAD_SECONDS="4")
    with installation.api() as api:  # or a page of before the first look would be out of date by the second click
        until(lambda: api.get("/api/slots/main").json()["serving"]["state"] != "unknown", 30, "main is looked at")
    yield installation
    run.ctrl_c()
    installation.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = require_program("chromium", "apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Opens signed-in pages, and collects what the browser complains about."""

    def __init__(self, browser: Browser, product: Installation) -> None:
        self.browser = browser
        self.product = product
        self.note = product.first_run()
        self.url = self.note["url"]
        self.complaints: list[str] = []
        self.contexts: list[BrowserContext] = []
        self.session = self.sign_in()

    def sign_in(self) -> list[dict[str, object]]:
        page = self.page_of(self.note["user"], self.note["password"])
        return list(page.context.cookies())  # type: ignore[arg-type]

    def page_of(self, name: str, password: str) -> Page:
        """The overview of somebody who has just signed in."""
        page = self.page(signed_in=False)
        page.goto(self.url)
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_title(re.compile("Overview"))
        return page

    def add_person(self, name: str, password: str) -> None:
        """Another administrator, made on the command line of the installation."""
        told = {"SPARKCONTROL_DATA_DIR": str(self.product.data), "DJANGO_SUPERUSER_PASSWORD": password}
        command = [
            sys.executable,
            "manage.py",
            "createsuperuser",
            "--noinput",
            f"--username={name}",
            "--email=a@b.example",
        ]
        environment = clean_environment() | told
        subprocess.run(command, cwd=self.product.folder, env=environment, check=True, timeout=60, capture_output=True)

    def note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def page(self, *, signed_in: bool = True, **options: object) -> Page:
        context = self.browser.new_context(base_url=self.url, **options)  # type: ignore[arg-type]
        self.contexts.append(context)
        if signed_in:
            context.add_cookies(self.session)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self.note_error)
        return page


@pytest.fixture
def visitor(chromium: Browser, product: Installation) -> Iterator[Visitor]:
    """No page may leave an error or a refused inline script or style in the console."""
    visiting = Visitor(chromium, product)
    yield visiting
    for context in visiting.contexts:
        context.close()
    assert visiting.complaints == []

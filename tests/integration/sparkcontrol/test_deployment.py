"""Dockerfile, docker-compose.yml and the systemd units: what they name exists, and they hold no secret."""

import fnmatch
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkcontrol.database_url import database_from
from sparkcontrol.redis_url import broker_from
from tests.integration.sparkcontrol.test_configuration_docs import documented

ROOT = Path(__file__).resolve().parents[3]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
OURS = ("bootstrap", "web", "web-2", "worker")
FOREIGN_VARIABLES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}
OF_PIP = {"PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"}
OF_THE_IMAGE = {*OF_PIP, "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "MALLOC_ARENA_MAX"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_compose_has_every_part(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*OURS, "redis", "postgres"}


def test_every_container_has_the_least_it_needs(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        assert "docker.sock" not in str(service), name


def test_every_container_that_stays_is_watched(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if service["restart"] != "no":
            assert service["healthcheck"]["test"], name


def test_every_image_is_pinned(services: dict[str, dict[str, Any]], dockerfile: str) -> None:
    images = [service["image"] for service in services.values()] + re.findall(r"PYTHON_IMAGE=(\S+)", dockerfile)
    for image in images:
        _, colon, tag = image.partition(":")
        assert colon and tag != "latest" and re.search(r"\d+\.\d+", tag), image


def test_every_named_thing_is_defined(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(compose["volumes"]), name


def test_nothing_but_the_product_reaches_redis_and_the_database(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert compose["networks"]["back"]["internal"] is True
    for name in ("redis", "postgres"):
        assert services[name]["networks"] == ["back"] and "ports" not in services[name]


def test_secrets_come_as_files_that_exist_and_no_other_way(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert not re.search(r"PASSWORD$|SECRET_KEY$|_URL$", variable) or variable == "SPARKCONTROL_URL", name
            if variable.endswith("_FILE"):
                assert Path(value).name in service["secrets"], f"{name}: {variable}"
    assert not re.search(r"://[^/\s\"]*:[^/\s\"$]+@", (ROOT / "docker-compose.yml").read_text())


def test_every_variable_is_one_the_product_knows(services: dict[str, dict[str, Any]], dockerfile: str) -> None:
    told = {name for service in services.values() for name in service.get("environment", {})}
    told |= set(re.findall(r"(?<=[\s])([A-Z][A-Z_]+)=", " ".join(re.findall(r"^ENV (.*)$", dockerfile, re.M))))
    told |= {name for unit in UNITS for name in unit_variables(unit)}
    told = {name.removesuffix("_FILE") for name in told - FOREIGN_VARIABLES - OF_THE_IMAGE}
    assert told <= documented()


def unit_variables(unit: Path) -> list[str]:
    lines = re.findall(r"^Environment=(.*)$", unit.read_text(), re.M)
    return [word.partition("=")[0] for line in lines for word in line.split()]


def test_what_compose_substitutes_has_a_default() -> None:
    text = re.sub(r"\$\$", "", (ROOT / "docker-compose.yml").read_text())
    assert re.findall(r"\$\{?\w+\}?(?!:-)", re.sub(r"\$\{\w+:-[^}]*\}", "", text)) == []


def test_the_secrets_are_made_once_and_fit_together(compose: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make = ["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(folder)]
    subprocess.run(make, check=True)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(set(made.values())) == len(made)
    assert database_from(made["database_url"].strip(), 1)["PASSWORD"] == made["postgres_password"].strip()
    assert made["redis_password"].strip() in broker_from(made["redis_url"].strip()).url
    subprocess.run(make, check=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_git_and_the_image_take_no_secrets() -> None:
    assert "/secrets/" in (ROOT / ".gitignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_everything_the_image_copies_exists_and_is_let_in(dockerfile: str) -> None:
    let_in = [
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    copied = [match[1] for match in re.finditer(r"^COPY (?!--from)(\S+) ", dockerfile, re.M)]
    assert sorted(copied) == sorted(let_in)
    for name in copied:
        assert (ROOT / name).exists(), name


def test_the_image_brings_every_package_of_the_product(dockerfile: str) -> None:
    packages = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert all(f"COPY {package} {package}" in dockerfile for package in packages)


def test_the_image_does_not_run_as_root_and_holds_no_secret(dockerfile: str) -> None:
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last_stage, re.M)
    assert "HEALTHCHECK" in last_stage
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|SECRET|KEY|TOKEN)", dockerfile, re.M)
    assert "/tmp/build" in dockerfile and "rm -rf /tmp/build" in dockerfile  # the key settings make up on the way


def test_nothing_in_the_image_depends_on_the_processor(dockerfile: str) -> None:
    assert not re.search(r"amd64|x86_64|--platform", re.sub(r"^#.*$", "", dockerfile, flags=re.M))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing; install it with: apt-get install systemd")
    for other in UNITS:
        shutil.copy(other, tmp_path)
    named = tmp_path / unit.name.replace("@.", "@1.")
    shutil.copy(unit, named)
    said = subprocess.run([analyze, "verify", "--man=no", str(named)], capture_output=True, text=True).stderr
    complaints = [line for line in said.splitlines() if line.startswith(("spark-control", "/"))]
    assert all("is not executable: No such file" in line for line in complaints), said


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_what_exists_as_its_own_user(unit: Path) -> None:
    text = unit.read_text()
    module = re.search(r"python -m sparkcontrol\.(\w+)", text)
    assert module is None or (ROOT / "sparkcontrol" / f"{module[1]}.py").exists()
    for line in ("User=spark-control", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert re.search(rf"^{line}$", text, re.M), line


def test_the_docs_name_every_unit() -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    assert [unit.name for unit in UNITS if not fnmatch.filter(told.split(), f"*{unit.stem}*")] == []

"""What is installed is complete, has one version, and the container files name only what exists."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from alicia_scheduler._version import VERSION
from tests.architecture.repository import PACKAGE, ROOT, project

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    """compose.yaml, parsed."""
    parsed: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
    return parsed


def pinned() -> dict[str, str]:
    """Package name to version, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def requirements() -> list[Requirement]:
    """Everything that pyproject.toml asks for, the extras too."""
    table = project()["project"]
    lines = [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines]


def test_the_version_stands_in_pyproject_and_nowhere_else() -> None:
    stated = project()["project"]["version"]
    assert importlib.metadata.version("alicia-scheduler") == stated
    assert stated == VERSION
    literal = re.compile(rf"""["']{re.escape(stated)}["']""")
    assert not [path for path in PACKAGE.rglob("*.py") if literal.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_bounded_and_its_pin_lies_within_the_bounds(requirement: Requirement) -> None:
    assert requirement.specifier
    assert requirement.specifier.contains(pinned()[canonicalize_name(requirement.name)])


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("alicia_scheduler/")}
    here = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert packed == {name for name in here if "__pycache__" not in name}
    assert "alicia_scheduler/py.typed" in packed


def test_the_image_copies_only_what_exists_and_what_the_ignore_file_lets_through() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    assert not [source for source in copied if not (ROOT / source).exists()]
    let_through = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert {source.removeprefix("./") for source in copied} == let_through


def test_the_image_has_two_stages_runs_as_a_fixed_user_and_is_checked_for_readiness() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert 'VOLUME ["/config", "/data"]' in DOCKERFILE
    assert "EXPOSE 8025" in DOCKERFILE
    assert re.search(r"^HEALTHCHECK .*\n.*/health/ready", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", ["mosquitto", "scheduler"])
def test_each_container_is_locked_down(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])


def test_compose_names_only_files_volumes_and_services_that_exist() -> None:
    described = compose()
    for service in described["services"].values():
        assert set(service.get("depends_on", {})) <= set(described["services"])
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in described["volumes"], mount


def test_the_broker_of_compose_starts_with_a_file_of_the_mounted_directory() -> None:
    broker = compose()["services"]["mosquitto"]
    [mounted] = [mount for mount in broker["volumes"] if mount.startswith("./")]
    source, target, _mode = mounted.split(":")
    config = broker["command"][-1]
    assert config.startswith(f"{target}/")
    assert (ROOT / source / config.removeprefix(f"{target}/")).is_file()


def test_the_image_and_compose_set_only_environment_variables_that_the_settings_know() -> None:
    reference = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    given = set(re.findall(r"ALICIA_SCHEDULER_[A-Z_]+(?==| \\|')", DOCKERFILE))
    given |= {
        name for name in compose()["services"]["scheduler"]["environment"] if name.startswith("ALICIA_SCHEDULER_")
    }
    assert len(given) >= 5
    assert not {name for name in given if name not in reference}

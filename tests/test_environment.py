"""environment.yml, for conda users, asks for what pyproject.toml asks for: the core and the extra `lab`."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"duckdb": "python-duckdb", "xxhash": "python-xxhash"}
NAMED_BY_THE_USER = {"ipywidgets", "matplotlib", "nbval", "networkx", "pandas", "pyarrow", "python-duckdb"}

Bounds = dict[str, SpecifierSet]


def of_pyproject() -> Bounds:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = map(Requirement, project["dependencies"] + project["optional-dependencies"]["lab"])
    bounds = {CONDA_NAMES.get(name := canonicalize_name(one.name), name): one.specifier for one in asked}
    return bounds | {"python": SpecifierSet(project["requires-python"])}


def of_environment() -> Bounds:
    packages = [item for item in environment()["dependencies"] if isinstance(item, str) and item != "pip"]
    return {one.name: one.specifier for one in map(Requirement, packages)}


def environment() -> dict[str, list[object]]:
    content: dict[str, list[object]] = yaml.safe_load((ROOT / "environment.yml").read_text())
    return content


def test_both_files_ask_for_the_same_packages_and_versions() -> None:
    assert of_environment() == of_pyproject()


def test_no_package_is_named_twice() -> None:
    names = [str(item).partition(">")[0] for item in environment()["dependencies"]]
    assert len(names) == len(set(names))


def test_the_packages_that_the_user_named_are_there() -> None:
    assert of_environment().keys() >= NAMED_BY_THE_USER


def test_the_kit_itself_comes_from_the_tree() -> None:
    assert environment()["channels"] == ["conda-forge"]
    assert environment()["dependencies"][-1] == {"pip": ["-e ."]}
    assert "pip" in environment()["dependencies"]


@pytest.mark.parametrize("extra", ["lab", "test", "bench"])
def test_no_extra_is_empty(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"][extra]

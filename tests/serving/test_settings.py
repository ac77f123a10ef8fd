"""Settings: options before the environment before the file; what nobody knows is an error, and no value is repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys.errors import UsageError
from serving.cli import app
from serving.settings import ENVIRONMENT_PREFIX, Settings, read_settings
from serving.stores import StoreError, create_store

ROOT = Path(__file__).parents[2]
FILES = {"bundle": "b", "trust": "t", "guards": "g", "catalogue": "c", "offers": "o", "state": "sqlite:///s.db"}
URL = "postgresql://shop:hunter2@db/state"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "serve.toml"
    path.write_text("".join(f'{name} = "{value}"\n' for name, value in FILES.items()) + "port = 9000\nworkers = 3\n")
    return path


def test_options_come_before_the_environment_before_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}PORT", "9001")
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}STATE", URL)
    settings = read_settings({"port": 9002, "host": None}, config)
    assert (settings.port, settings.workers, settings.host) == (9002, 3, "127.0.0.1")
    assert read_settings({}, config).port == 9001
    assert settings.state.get_secret_value() == URL
    assert "hunter2" not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("wrokers = 2", "wrokers: is no setting of this program. Did you mean workers?"),
        ("nothing_like_it = 2", "is no setting of this program. See docs/serving.md"),
        ("port = 70000", "port in "),
        ("workers = 0", "workers in "),
        ("max_in_flight = 0", "max_in_flight in "),
        ('rate_limit = "hunter2"', "rate_limit in "),
        ('log_level = "loud"', "log_level in "),
        ('policy_sha256 = "hunter2"', "policy_sha256 in "),
        ("port = [", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_and_not_repeated(line: str, what: str, config: Path) -> None:
    config.write_text(config.read_text().replace("port = 9000\nworkers = 3\n", "") + line + "\n")
    with pytest.raises(UsageError) as caught:
        read_settings({}, config)
    assert what in str(caught.value)
    assert caught.value.exit_status == 2
    assert not re.search("hunter2|70000|loud", str(caught.value))


def test_an_unknown_variable_is_an_error(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}SHADWO", "hunter2")
    with pytest.raises(UsageError, match="SHADWO: is no setting of this program"):
        read_settings({}, config)


def test_an_unfit_variable_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}PORT", "hunter2")
    with pytest.raises(UsageError, match="RECSYS_SERVE_PORT") as caught:
        read_settings({}, config)
    assert "hunter2" not in str(caught.value)


def test_what_is_missing_is_told_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--offers: is missing"):
        read_settings({name: value for name, value in FILES.items() if name != "offers"}, None)
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings({}, tmp_path / "absent.toml")


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "serving.md").read_text()
    for name in Settings.model_fields:
        assert re.search(rf"^\|[^|]*`{name}`", page, re.MULTILINE), name


def test_commands_beside_the_server_take_the_state_from_the_environment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = CliRunner()
    missing = tried.invoke(app, ["keys", "list"])
    assert missing.exit_code == 2
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}STATE", f"sqlite:///{tmp_path / 'nowhere.db'}")
    assert isinstance(tried.invoke(app, ["keys", "list"]).exception, StoreError)
    create_store(f"sqlite:///{tmp_path / 'here.db'}").close()
    asked = tried.invoke(app, ["keys", "list", "--state", f"sqlite:///{tmp_path / 'here.db'}"])
    assert "never loaded" in str(asked.exception)  # an option comes before the environment

"""Settings: options of the command line before the environment before the file of `--config` before defaults.

Strict: a setting that nobody knows is an error, in the file and in the environment. No error repeats a value.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import limits
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from recsys.errors import UsageError
from web.terms import Terms

ENVIRONMENT_PREFIX: Final = "RECSYS_SERVE_"


class Settings(BaseSettings):
    """Everything that can be set. In the environment each has the name `RECSYS_SERVE_…` in upper case."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    bundle: Path = Field(description="models/NAME, whose `current` is followed, or models/NAME/VERSION, which is kept.")
    trust: Path = Field(description="The public key that must have signed the bundle.")
    guards: Path = Field(description="The guards' policy.")
    catalogue: Path = Field(description="What is sold: .parquet or .csv.")
    offers: Path = Field(description="What may be sent: .parquet or .csv.")
    state: SecretStr = Field(description="What is remembered of people: sqlite:///PATH or postgresql://…")
    statistics: Path | None = Field(
        default=None,
        description="Fresh item statistics for the bundle, by `recsys-train statistics`; followed when changed.",
    )
    shadow: Path | None = Field(
        default=None, description="Another bundle: it is asked the same, compared, and never shown."
    )
    challenger: Path | None = Field(
        default=None, description="Another bundle: it decides for the policy's share of people, its [trial]."
    )
    policy_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Refuse any policy whose file has another SHA-256."
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes any free one.")
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer requests.")
    follow_seconds: float = Field(
        default=1.0, ge=0.05, le=3600, description="How often to look for another `current`, a reload or a revoked key."
    )
    accept_clock: bool = Field(
        default=False,
        description="Start although the newest audit record lies ahead: the clock was wrong then, not now.",
    )
    grace_seconds: int = Field(
        default=10, ge=1, le=600, description="Time for requests under way when the server is told to stop."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is logged; `debug` has a line for every request."
    )
    tls_certificate: Path | None = Field(
        default=None, description="The certificate (PEM, with its chain) to serve HTTPS with; needs tls_key."
    )
    tls_key: Path | None = Field(default=None, description="The private key of tls_certificate, in PEM.")
    rate_limit: str | None = Field(
        default=None, description="How much one key may ask of one worker, such as 100/second or 50/second;1000/minute."
    )
    max_in_flight: int = Field(
        default=16, ge=1, le=10_000, description="Requests that one worker answers at once; more are refused with 503."
    )
    max_connections: int = Field(
        default=512, ge=1, le=100_000, description="Connections that one worker holds; more are closed with 503."
    )
    request_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=600,
        description="How long a caller may take to send one request, or to read its answer.",
    )

    @property
    def encrypted(self) -> bool:
        """Whether HTTPS is served."""
        return self.tls_certificate is not None

    @property
    def terms(self) -> Terms:
        """What holds for whoever connects."""
        return Terms(self.max_connections, self.request_seconds, self.grace_seconds, self.tls_certificate, self.tls_key)

    @field_validator("rate_limit")
    @classmethod
    def _rate_is_one(cls, rate: str | None) -> str | None:
        """What `limits` understands; its error repeats the text, and is not shown."""
        if rate is not None:
            limits.parse_many(rate)
        return rate

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - as above
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no other file is read than the one named
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed in (see `read_settings`), then the environment."""
        return init_settings, env_settings


def read_settings(options: Mapping[str, object], config: Path | None) -> Settings:
    """Put the settings together.

    Args:
        options: What stood on the command line; None means that it did not.
        config: A TOML file with the names of the fields.

    Raises:
        UsageError: A setting is unknown, missing or out of range, or the file cannot be read.
    """
    _refuse_unknown_variables()
    given = {name: value for name, value in options.items() if value is not None}
    in_environment = {name[len(ENVIRONMENT_PREFIX) :].lower() for name in os.environ if _is_ours(name)}
    from_file = {} if config is None else _table(config)
    kept = {name: value for name, value in from_file.items() if name not in in_environment}
    try:
        return Settings(**{**kept, **given})
    except ValidationError as error:
        raise _explained(error, given, config) from None


def _is_ours(name: str) -> bool:
    return name.upper().startswith(ENVIRONMENT_PREFIX)


def _refuse_unknown_variables() -> None:
    for name in sorted(os.environ):
        field = name[len(ENVIRONMENT_PREFIX) :].lower()
        if _is_ours(name) and field not in Settings.model_fields:
            raise _unknown(field, where=f"the environment, {name}")


def _table(config: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(config), mend="Name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError("is not TOML in UTF-8", where=str(config), mend="See docs/serving.md") from None
    for name in table:
        if name not in Settings.model_fields:
            raise _unknown(name, where=f"{config}, {name}")
    return table


def _unknown(name: str, *, where: str) -> UsageError:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return UsageError(
        "is no setting of this program",
        where=where,
        mend=f"Did you mean {near[0]}?" if near else "See docs/serving.md for every setting",
    )


def _explained(error: ValidationError, given: Mapping[str, object], config: Path | None) -> UsageError:
    """The first thing that is wrong; what was set is not repeated, since it may hold a password."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0])
    option = f"--{name.replace('_', '-')}"
    if first["type"] == "missing":
        return UsageError("is missing", where=option, mend="See recsys-serve --help")
    place = option if name in given else f"{ENVIRONMENT_PREFIX}{name.upper()}, or {name} in {config or '--config'}"
    return UsageError("has an unfit value", where=place, mend=Settings.model_fields[name].description)

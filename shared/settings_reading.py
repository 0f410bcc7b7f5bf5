"""Reads the settings from the environment, a file and the command line, and says where each came from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from shared.settings import PREFIX, Settings, SettingsError, default_data_dir

FILE_SUFFIX = "_FILE"
# Names with this prefix steer the project's own tests and are no settings.
TEST_PREFIX = "BUSBAR_TEST_"
MASK = "****"
# Of parts that are still to come, but documented: one file of settings serves this release and the next. Each goes when its part comes.
NOT_YET = frozenset(
    {
        "BUSBAR_COMPUTE_EXECUTOR",
        "BUSBAR_DEVELOPER_BASE_PATH",
        "BUSBAR_MAX_OBJECT_BYTES",
        "BUSBAR_STORAGE_BACKEND",
        "BUSBAR_STORAGE_ROOT",
    }
)


@dataclass(frozen=True)
class LoadedSettings:
    """Settings and, by field name, where each came from; and names that were given though nothing heeds them yet."""

    settings: Settings
    origins: dict[str, str]
    without_effect: tuple[str, ...] = ()


def load(env: Mapping[str, str], env_file: Path | None, overrides: Mapping[str, Any]) -> LoadedSettings:
    """Read the settings: the command line (``overrides``, by field name) before the environment before the file.

    A secret may be given as ``BUSBAR_…_FILE``, the path of a file that holds it. An empty value is as good as none.

    Raises:
        SettingsError: a name is unknown, a value is wrong or a file cannot be read; all faults are named at once.
    """
    values: dict[str, Any] = {"data_dir": default_data_dir(env)}
    origins = dict.fromkeys(Settings.model_fields, "default")
    in_file = {} if env_file is None else _read_env_file(env_file)
    _take(in_file, f"file {env_file}", values, origins)
    _take(env, "environment", values, origins)
    for name, value in overrides.items():
        values[name], origins[name] = value, "command line"
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None  # pydantic's own text repeats the values, secrets too
    _check_together(settings)
    given = {name for name, text in (*in_file.items(), *env.items()) if text}
    return LoadedSettings(settings, origins, tuple(sorted(NOT_YET & given)))


def describe(loaded: LoadedSettings) -> list[tuple[str, str, str, str]]:
    """Each setting in force as (name in the environment, value, where from, meaning), with secrets masked."""
    return [
        (_env_name(name), _shown(getattr(loaded.settings, name)), loaded.origins[name], field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _take(given: Mapping[str, str], origin: str, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Put what ``given`` says over ``values``."""
    found: dict[str, str] = {}
    for env_name, text in given.items():
        if not env_name.startswith(PREFIX) or env_name.startswith(TEST_PREFIX) or env_name in NOT_YET or not text:
            continue
        name, is_file = _field_of(env_name)
        if name in found:
            raise SettingsError(f"{_env_name(name)} is given twice, as a value and as a file; keep one")
        found[name] = env_name
        values[name] = _read_secret(env_name, Path(text)) if is_file else text
        origins[name] = f"{origin}, file {text}" if is_file else origin


def _field_of(env_name: str) -> tuple[str, bool]:
    name = env_name.removeprefix(PREFIX).lower()
    if _env_name(name) == env_name and name in Settings.model_fields:
        return name, False
    in_file = name.removesuffix(FILE_SUFFIX.lower())
    if in_file in _SECRETS and env_name == _env_name(in_file) + FILE_SUFFIX:
        return in_file, True
    known = [_env_name(field) for field in Settings.model_fields] + [_env_name(name) + FILE_SUFFIX for name in _SECRETS]
    nearest = difflib.get_close_matches(env_name.upper(), known, n=1, cutoff=0.0)[0]
    raise SettingsError(f"there is no setting {env_name}; did you mean {nearest}? `busbar config` lists all")


def _read_env_file(path: Path) -> dict[str, str]:
    try:
        lines = dotenv_values(path, interpolate=False, encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    if lines is None:
        raise SettingsError(f"there is no settings file {path}")
    return {name: value for name, value in lines.items() if value is not None}


def _read_secret(env_name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file {path} that {env_name} names cannot be read: {error}") from error


def _explain(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_input=False, include_url=False):
        location = [str(part) for part in fault["loc"]]
        faults.append(f"{_env_name(location[0])}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(dict.fromkeys(faults))


def _check_together(settings: Settings) -> None:
    if settings.heartbeat_s * 3 > settings.lease_ttl_s:
        raise SettingsError("BUSBAR_HEARTBEAT_S must be at most a third of BUSBAR_LEASE_TTL_S")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("BUSBAR_TLS_CERT and BUSBAR_TLS_KEY belong together; give both or none")
    for name, schemes in {"database_url": ("postgresql", "postgres"), "broker_url": ("amqp", "amqps")}.items():
        url: SecretStr | None = getattr(settings, name)
        scheme = urlsplit(url.get_secret_value()).scheme if url is not None else schemes[0]
        if scheme not in schemes:
            raise SettingsError(f"{_env_name(name)} must begin with {schemes[0]}://")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return _without_password(text) if "://" in text else MASK
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    login, has_login, address = parts.netloc.rpartition("@")
    user, has_password, _ = login.partition(":")
    netloc = f"{user}:{MASK}@{address}" if has_login and has_password else parts.netloc
    query = [(key, MASK if "password" in key else text) for key, text in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, safe="*/", quote_via=quote)))


def _env_name(field: str) -> str:
    return PREFIX + field.upper()


_SECRETS = frozenset(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))

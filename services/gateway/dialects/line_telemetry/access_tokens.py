"""Access tokens as the settings want them: which environments there are, and where their clients are looked up."""

from __future__ import annotations

from services.gateway.auth.access_tokens import LIFETIME_S, AccessTokens
from services.gateway.auth.key_ring import KeyRing
from services.gateway.dialects.line_telemetry.environments import environments_of
from services.gateway.dialects.line_telemetry.token_endpoint import LiveClientFinder
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.identity.secret_key import SecretKeys
from shared.settings import Settings

SECONDS_PER_DAY = 86400.0


def build_access_tokens(
    database: Database, clock: Clock, keys: SecretKeys, settings: Settings, *, lifetime_s: int = LIFETIME_S
) -> AccessTokens:
    """Put them together; ``start`` them before use. They live for an hour, as the contract says; tests have less time.

    Raises:
        SettingsError: a tenant or a scope is not written as it should be.
    """
    environments = environments_of(settings)
    authorities = {name: environment.authority for name, environment in environments.by_name.items()}
    ring = KeyRing(database, keys.signing_keys, clock, rotate_every_s=settings.signing_key_days * SECONDS_PER_DAY)
    return AccessTokens(ring, authorities, LiveClientFinder(database), clock, lifetime_s=lifetime_s)

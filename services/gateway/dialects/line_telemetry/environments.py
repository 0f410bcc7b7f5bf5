"""The environments that clients sign in to: their tenants, their issuers, and the scopes that may be asked for in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from services.gateway.auth.access_tokens import TokenAuthority
from shared.identity.principals import DEVELOPER, ENVIRONMENTS, PRODUCTION
from shared.settings import Settings, SettingsError

POLICY = "b2c_1a_clientcredentialsflow"
TENANT_SUFFIX = ".onmicrosoft.com"
SCOPE_SUFFIX = "/.default"
ANY_SCOPE = "*"

# What the official clients ask for unless they are told otherwise.
DEFAULT_SCOPES: Mapping[str, tuple[str, ...]] = {
    PRODUCTION: ("https://hpadb2cprod.onmicrosoft.com/dc5758ae-4eea-416e-9e61-812914d9a49a/.default",),
    DEVELOPER: ("https://hpadb2cdev.onmicrosoft.com/f2fd8894-ae2e-4965-8318-e6c6781b5b80/.default",),
}
# Nobody's host, so that without a public address no token names anybody else's.
ISSUER_WITHOUT_ADDRESS = "https://busbar.invalid"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment. ``tenant`` is the first of those that lead to it; ``scopes`` are those accepted, None any."""

    name: str
    tenant: str
    issuer: str
    scopes: frozenset[str] | None

    def accepts(self, scope: str) -> bool:
        """Whether a scope may be asked for."""
        is_whole = scope.endswith(SCOPE_SUFFIX) and len(scope) > len(SCOPE_SUFFIX)
        return is_whole and (self.scopes is None or scope in self.scopes)

    @property
    def authority(self) -> TokenAuthority:
        """In whose name its tokens are given out, and for whom."""
        return TokenAuthority(self.issuer, None if self.scopes is None else frozenset(map(audience_of, self.scopes)))


@dataclass(frozen=True, slots=True)
class Environments:
    """All environments by name, and the name of each tenant's (in lower case)."""

    by_name: Mapping[str, Environment]
    by_tenant: Mapping[str, str]

    def of_path(self, authority: str, policy: str) -> Environment | None:
        """The environment of the first two segments of a sign-in path (``hpadb2cprod.onmicrosoft.com``, policy), in any case."""
        tenant = authority.lower().removesuffix(TENANT_SUFFIX)
        if tenant == authority.lower() or policy.lower() != POLICY or tenant not in self.by_tenant:
            return None
        return self.by_name[self.by_tenant[tenant]]


def environments_of(settings: Settings) -> Environments:
    """The environments that the settings describe.

    Raises:
        SettingsError: a tenant or a scope is not written as it should be.
    """
    by_tenant = _tenants(settings.oauth_tenants)
    by_name = {}
    for name in ENVIRONMENTS:
        tenant = next((tenant for tenant, leads_to in by_tenant.items() if leads_to == name), None)
        if tenant is not None:
            by_name[name] = Environment(name, tenant, _issuer(settings, tenant), _scopes(settings, name))
    return Environments(by_name, by_tenant)


def audience_of(scope: str) -> str:
    """The audience of a scope: the GUID before ``/.default``, else the whole address before it."""
    resource = scope.removesuffix(SCOPE_SUFFIX)
    last = resource.rpartition("/")[2]
    try:
        return last if str(UUID(last)) == last.lower() else resource
    except ValueError:
        return resource


def _issuer(settings: Settings, tenant: str) -> str:
    # Not from the request: a token of one gateway has to count at all others, under whatever name they are reached.
    base = settings.oauth_issuer or settings.public_url or ISSUER_WITHOUT_ADDRESS
    return f"{base.rstrip('/')}/{tenant}{TENANT_SUFFIX}/{POLICY}/v2.0/"


def _tenants(entries: Sequence[str]) -> dict[str, str]:
    tenants = {}
    for entry in entries:
        tenant, is_pair, name = (part.strip() for part in entry.partition("="))
        if not is_pair or name not in ENVIRONMENTS or not tenant.replace("-", "").isalnum() or not tenant.isascii():
            raise SettingsError(
                f"BUSBAR_OAUTH_TENANTS has '{entry}'; write name=production or name=developer, separated by commas"
            )
        tenants[tenant.lower()] = name
    if PRODUCTION not in tenants.values():
        raise SettingsError("BUSBAR_OAUTH_TENANTS names no tenant for production")
    return tenants


def _scopes(settings: Settings, name: str) -> frozenset[str] | None:
    """The scopes of an environment: those set for it (``developer=https://…``) and for all, else the official clients'."""
    if not settings.oauth_accepted_scopes:
        return frozenset(DEFAULT_SCOPES[name])
    given = []
    for entry in settings.oauth_accepted_scopes:
        prefix, is_pair, scope = entry.partition("=")
        is_for_one = bool(is_pair) and prefix in ENVIRONMENTS
        if not is_for_one or prefix == name:
            given.append(scope if is_for_one else entry)
    if ANY_SCOPE in given:
        return None
    for scope in given:
        if not scope.endswith(SCOPE_SUFFIX) or not urlsplit(scope).scheme:
            raise SettingsError(
                f"BUSBAR_OAUTH_ACCEPTED_SCOPES has '{scope}'; each must be an address that ends in {SCOPE_SUFFIX}"
            )
    return frozenset(given)

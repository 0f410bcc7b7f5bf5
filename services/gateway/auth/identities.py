"""What the holder of a credential may: the identities of users and of OAuth2 clients."""

from __future__ import annotations

from services.gateway.auth import credential_store as store
from services.gateway.auth.access_tokens import Claims
from services.gateway.auth.identity import Identity, IdentityKind
from shared.identity.principals import SCOPES

ALL_SCOPES = frozenset(SCOPES)
LEADING_ROLES = frozenset({"account-admin", "admin"})


def identity_of_user(holder: store.Holder, kind: IdentityKind, scopes: frozenset[str]) -> Identity:
    """What a user may, with a credential of some kind and reach."""
    return Identity(
        holder.account_id,
        f"user:{holder.user_number}",
        kind,
        scopes,
        _roles_of_user(holder.roles, scopes),
        grid_owners=None,
        user_number=holder.user_number,
        account_roles=holder.account_roles,
        plan_id=holder.plan_id,
    )


def _roles_of_user(roles: frozenset[str], scopes: frozenset[str]) -> frozenset[str]:
    """The user's roles, and those of the line telemetry API that follow; a key of few scopes leads no account there."""
    if "read" in scopes:
        roles |= {"api_consumer"}
    if scopes >= ALL_SCOPES and roles & LEADING_ROLES:
        roles |= {"asset_admin", "platform_admin"}
    return roles


def identity_of_client(claims: Claims, account_roles: frozenset[str], plan_id: int | None) -> Identity:
    """What a client may by its token."""
    scopes = claims.roles & ALL_SCOPES
    if "api_consumer" in claims.roles:
        scopes |= {"read"}
    return Identity(
        claims.account_id,
        f"client:{claims.client_id}",
        "client",
        scopes,
        claims.roles,
        grid_owners=claims.grid_owners,
        region=claims.region,
        account_roles=account_roles,
        plan_id=plan_id,
    )

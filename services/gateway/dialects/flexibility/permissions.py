"""Who may do what to accounts, users, assets and sensors. Pure: identities and rows in, yes or no out.

A member is whoever is signed in to the account; a consultant one of the account that looks after it. ``admin`` may do
everything, ``admin-reader`` read everything. Roles are those of users: an OAuth2 client is a member without any. What is public belongs
to no account (its owner is None): everybody reads it, and only admins of the site change it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from services.gateway.auth.identity import Identity
from shared.identity.principals import CONSULTANCY_ROLE
from shared.ids import AccountId

ADMIN, ADMIN_READER, ACCOUNT_ADMIN, CONSULTANT = "admin", "admin-reader", "account-admin", "consultant"
OF_THE_SITE = frozenset({ADMIN, ADMIN_READER})


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that something belongs to, and the one whose consultants look after it."""

    account_id: AccountId
    consultancy_account_id: AccountId | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks."""

    account_id: AccountId
    user_number: int | None
    roles: frozenset[str]
    is_of_consultancy: bool

    @property
    def is_admin(self) -> bool:
        """Of the site."""
        return ADMIN in self.roles

    @property
    def reads_everything(self) -> bool:
        """Whether no account is hidden."""
        return bool(self.roles & OF_THE_SITE)

    @property
    def is_consultant(self) -> bool:
        """Whether other accounts may be looked after."""
        return CONSULTANT in self.roles

    def is_member_of(self, owner: Owner) -> bool:
        """Whether it is the caller's own account."""
        return owner.account_id == self.account_id

    def consults(self, owner: Owner) -> bool:
        """Whether the caller looks after the account."""
        return self.is_consultant and owner.consultancy_account_id == self.account_id

    def leads(self, owner: Owner) -> bool:
        """Whether the caller is the account's admin."""
        return ACCOUNT_ADMIN in self.roles and self.is_member_of(owner)


def caller_of(identity: Identity) -> Caller:
    """The caller behind an identity."""
    roles = identity.roles if identity.user_number is not None else frozenset()
    return Caller(identity.account_id, identity.user_number, roles, CONSULTANCY_ROLE in identity.account_roles)


def may_read(caller: Caller, owner: Owner) -> bool:
    """An account, and who is in it."""
    return caller.reads_everything or caller.is_member_of(owner) or caller.consults(owner)


def may_change_account(caller: Caller, owner: Owner) -> bool:
    """Its name, attributes and looks."""
    return caller.is_admin or caller.is_member_of(owner) or caller.consults(owner)


def may_create_in(caller: Caller, owner: Owner) -> bool:
    """Users, and whatever else an account has at its top."""
    return caller.is_admin or caller.leads(owner) or caller.consults(owner)


def may_read_audit_log(caller: Caller, owner: Owner) -> bool:
    """What happened in an account."""
    return caller.reads_everything or caller.leads(owner) or caller.consults(owner)


def may_read_thing(caller: Caller, owner: Owner | None) -> bool:
    """An asset, a sensor, and its data."""
    return owner is None or may_read(caller, owner)


def may_work_on(caller: Caller, owner: Owner | None) -> bool:
    """Change an asset, make assets and sensors below it, post data, trigger, annotate: what members do every day."""
    return caller.is_admin or (owner is not None and may_change_account(caller, owner))


def may_manage(caller: Caller, owner: Owner | None) -> bool:
    """Make assets at the top, change sensors, delete assets, sensors and data: what is for who leads the account."""
    return caller.is_admin or (owner is not None and may_create_in(caller, owner))


def may_read_audit_log_of_thing(caller: Caller, owner: Owner | None) -> bool:
    """What happened to an asset."""
    return caller.reads_everything if owner is None else may_read_audit_log(caller, owner)


def may_create_account(caller: Caller) -> bool:
    """A new account; one that a consultant makes becomes a client of theirs."""
    return caller.is_admin or (caller.is_consultant and caller.is_of_consultancy)


def may_read_audit_log_of_user(caller: Caller, owner: Owner, user_number: int) -> bool:
    """What a user did, and what was done to them."""
    return caller.user_number == user_number or may_read_audit_log(caller, owner)


def may_change_user(caller: Caller, owner: Owner, user_number: int, roles: Collection[str]) -> bool:
    """Names, time zone, whether they are active, password; those of who reaches the whole site are for its admins to change."""
    is_of_the_site = not OF_THE_SITE.isdisjoint(roles)
    return caller.user_number == user_number or (
        may_create_in(caller, owner) and (caller.is_admin or not is_of_the_site)
    )


def may_change_roles(caller: Caller, changed: Collection[str]) -> bool:
    """Whether these roles may be given or taken, by somebody who may change the user: nobody makes an admin of the site here."""
    return all(caller.roles & _GIVEN_BY.get(role, frozenset()) for role in changed)


_GIVEN_BY = {
    ADMIN_READER: frozenset({ADMIN}),
    ACCOUNT_ADMIN: frozenset({ADMIN, CONSULTANT}),
    CONSULTANT: frozenset({ADMIN, ACCOUNT_ADMIN}),
}

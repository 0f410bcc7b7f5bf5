"""Accounts, users and what they sign in with, API keys, OAuth2 clients and the audit record: one set of them behind all APIs.

``principals.py`` says what there is, the stores hold the SQL, ``administration.py`` is what can be done with it, from the command line
and over HTTP alike. Who may do what is decided by the callers; who is asking is told by the gateway.
"""

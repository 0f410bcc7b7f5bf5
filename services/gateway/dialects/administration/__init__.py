"""Administration over HTTP: accounts, users, API keys, OAuth2 clients and the audit record, as on the command line."""

"""The line telemetry and line rating API of Heimdall's clients: signing in with OAuth2, and the administration of clients."""

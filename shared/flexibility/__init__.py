"""Flex-models and flex-contexts: read, checked and collected into typed values. Pure; used by whoever accepts and whoever schedules."""

"""Small documents to begin with, under the names that PGO serves them by."""

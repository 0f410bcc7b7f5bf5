"""How the tables came to be, step by step. Each step only adds, or removes what the release before no longer used."""

"""Every message that services exchange: frozen models with a name and a version, and an example file each.

Within a version only optional fields may be added; ``examples/<name>.v<version>.json`` of yesterday must parse today.
A message is a wake-up: it carries ids and small facts, and Postgres holds the truth.
"""

"""``busbar config``: every setting in force, where it came from and what it means."""

from __future__ import annotations

import json
import sys
import textwrap

from shared.settings_reading import LoadedSettings, describe


def show(loaded: LoadedSettings, *, as_json: bool) -> None:
    """Print the settings; secrets are masked in both forms."""
    rows = describe(loaded)
    if as_json:
        keys = ("name", "value", "origin", "meaning")
        sys.stdout.write(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2) + "\n")
        return
    for name, value, origin, meaning in rows:
        sys.stdout.write(f"{name}={value}  ({origin})\n{textwrap.indent(textwrap.fill(meaning, 100), '    ')}\n")

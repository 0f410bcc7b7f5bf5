"""JSON-LD 1.1 in any of its forms into its expanded form, as far as that tells what is stated of what.

Languages, directions and indexes are checked no further than needed and left out, term protection is not enforced, and contexts
that lie elsewhere are refused and never fetched.
"""

from services.optimizer.documents.json_ld.expansion import expand

__all__ = ["expand"]

"""What is wrong with a document, in words for its author; and the phrases that say in which document.

The readers raise the bare reason. Whoever knows what was being done puts one of the phrases before it.
"""

from __future__ import annotations

NETWORK_PREFIX = "An error occurred while parsing the network data: "
SESSION_PREFIX = "An error occurred while parsing the session data: "
DEMANDS_PREFIX = "Error in the demands: "
START_PREFIX = "Error in the start configuration: "


class DocumentError(ValueError):
    """A document is wrong; ``message`` names the element and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnreadableDocumentError(DocumentError):
    """A document is no JSON or has the wrong shape; the message ends with path, line and position of the place."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NullFoundError(UnreadableDocumentError):
    """Something is null that must not be."""

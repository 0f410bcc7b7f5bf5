"""The real-time hub: SignalR's JSON hub protocol, version 1, over WebSockets, server-sent events and long polling.

It tells whoever joined a session's group what the session's best solution is worth, each time that one is replaced.
"""

"""Our own thin typed layer over aiohttp: one table of routes from which requests are dispatched and the OpenAPI document is made.

It knows requests, replies, forms and errors, and nothing of any dialect.
"""

"""The web room: a page that asks the engine, shows its answers and opens their sources.

`page.py` is the page, `calls.py` what it asks of the server, `api.py` the endpoints for programs,
`serving.py` puts both on the network, `front.py` answers before they are there, and `guard.py` stands before
every address.
"""

from qa.web.serving import serve, start

__all__ = ["serve", "start"]

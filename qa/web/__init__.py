"""The web room: a page that asks the engine, shows its answers and opens their sources.

`page.py` is the page and its events, `render.py` turns answers and documents into HTML, `serving.py`
puts the page on the network, and on this machine's network only.
"""

from qa.web.serving import serve, start

__all__ = ["serve", "start"]

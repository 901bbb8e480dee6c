"""minova-console: guests' screens and serial consoles in a browser.

`proxy` listens for HTTP, `pages` are noVNC's files, `session` carries bytes
between a websocket and a console, and `wire` is how both are got from the
nova-compute of this host.
"""

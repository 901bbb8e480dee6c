"""What all tests share: minova is imported before any oslo library (see minova/__init__.py)."""

import minova  # noqa: F401

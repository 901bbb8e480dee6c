"""The core's schema, version by version (alembic)."""

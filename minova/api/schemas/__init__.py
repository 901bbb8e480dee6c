"""Request bodies, field by field and version by version."""

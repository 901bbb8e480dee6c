"""The identity service's tables.

Names are unique within their domain. `users.generation` counts the moments
at which every live token of the user has to die (password changed, user
disabled); a token remembers the generation it was issued in.
`revisions` counts changes of what processes may cache (catalog, roles).
Attributes of a client's own invention are kept as JSON text in `extra`.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

domains = sa.Table(
    "domains",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
)

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), sa.ForeignKey("domains.id"), nullable=False),
    sa.Column("parent_id", sa.String(64), nullable=False, index=True),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
    sa.UniqueConstraint("domain_id", "name", name="uniq_projects_domain_name"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), sa.ForeignKey("domains.id"), nullable=False),
    sa.Column("default_project_id", sa.String(64)),
    sa.Column("description", sa.String(1024)),
    sa.Column("email", sa.String(255)),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("password_hash", sa.String(255)),
    sa.Column("generation", sa.Integer, nullable=False, default=0),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
    sa.UniqueConstraint("domain_id", "name", name="uniq_users_domain_name"),
)

roles = sa.Table(
    "roles",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(1024)),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
)

implied_roles = sa.Table(
    "implied_roles",
    metadata,
    sa.Column("prior_role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
    sa.Column("implied_role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
)

# `target_kind` is project, domain or system (whose only target is "all").
assignments = sa.Table(
    "assignments",
    metadata,
    sa.Column("user_id", sa.String(64), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("target_kind", sa.String(16), primary_key=True),
    sa.Column("target_id", sa.String(64), primary_key=True),
    sa.Column("role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
    sa.Index("ix_assignments_target", "target_kind", "target_id"),
)

regions = sa.Table(
    "regions",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("parent_region_id", sa.String(255)),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
)

services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.String(1024)),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), sa.ForeignKey("services.id"), nullable=False),
    sa.Column("region_id", sa.String(255), sa.ForeignKey("regions.id")),
    sa.Column("interface", sa.String(8), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("extra", sa.Text, nullable=False, default="{}"),
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("audit_id", sa.String(32), primary_key=True),
    sa.Column("expires_at", sa.Integer, nullable=False, index=True),
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)

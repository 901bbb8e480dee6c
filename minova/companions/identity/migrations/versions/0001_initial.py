"""The first schema of the identity service."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _id() -> "sa.Column[str]":
    return sa.Column("id", sa.String(64), primary_key=True)


def _extra() -> "sa.Column[str]":
    return sa.Column("extra", sa.Text, nullable=False)


def _enabled() -> "sa.Column[bool]":
    return sa.Column("enabled", sa.Boolean, nullable=False)


def upgrade() -> None:
    op.create_table(
        "domains",
        _id(),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("description", sa.String(1024), nullable=False),
        _enabled(),
        _extra(),
    )
    op.create_table(
        "projects",
        _id(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("domain_id", sa.String(64), sa.ForeignKey("domains.id"), nullable=False),
        sa.Column("parent_id", sa.String(64), nullable=False),
        sa.Column("description", sa.String(1024), nullable=False),
        _enabled(),
        _extra(),
        sa.UniqueConstraint("domain_id", "name", name="uniq_projects_domain_name"),
    )
    op.create_index("ix_projects_parent_id", "projects", ["parent_id"])
    op.create_table(
        "users",
        _id(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("domain_id", sa.String(64), sa.ForeignKey("domains.id"), nullable=False),
        sa.Column("default_project_id", sa.String(64)),
        sa.Column("description", sa.String(1024)),
        sa.Column("email", sa.String(255)),
        _enabled(),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("generation", sa.Integer, nullable=False),
        _extra(),
        sa.UniqueConstraint("domain_id", "name", name="uniq_users_domain_name"),
    )
    op.create_table(
        "roles",
        _id(),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("description", sa.String(1024)),
        _extra(),
    )
    op.create_table(
        "implied_roles",
        sa.Column("prior_role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
        sa.Column("implied_role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
    )
    op.create_table(
        "assignments",
        sa.Column("user_id", sa.String(64), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("target_kind", sa.String(16), primary_key=True),
        sa.Column("target_id", sa.String(64), primary_key=True),
        sa.Column("role_id", sa.String(64), sa.ForeignKey("roles.id"), primary_key=True),
    )
    op.create_index("ix_assignments_target", "assignments", ["target_kind", "target_id"])
    op.create_table(
        "regions",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("description", sa.String(1024), nullable=False),
        sa.Column("parent_region_id", sa.String(255)),
        _extra(),
    )
    op.create_table(
        "services",
        _id(),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.String(1024)),
        _enabled(),
        _extra(),
    )
    op.create_table(
        "endpoints",
        _id(),
        sa.Column("service_id", sa.String(64), sa.ForeignKey("services.id"), nullable=False),
        sa.Column("region_id", sa.String(255), sa.ForeignKey("regions.id")),
        sa.Column("interface", sa.String(8), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        _enabled(),
        _extra(),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("audit_id", sa.String(32), primary_key=True),
        sa.Column("expires_at", sa.Integer, nullable=False),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])
    revisions = op.create_table(
        "revisions",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
    op.bulk_insert(revisions, [{"name": "catalog", "value": 0}])

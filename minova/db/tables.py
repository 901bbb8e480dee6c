"""The core's tables: instances and what belongs to them, hosts, claims, work in flight."""

import sqlalchemy as sa

from minova.db.types import Json, SharedJson, UTCDateTime

metadata = sa.MetaData()
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("vm_state", sa.String(32), nullable=False),
    sa.Column("task_state", sa.String(64)),
    sa.Column("power_state", sa.Integer, nullable=False, default=0),
    sa.Column("host", sa.String(255)),
    sa.Column("node", sa.String(255)),
    sa.Column("flavor", SharedJson, nullable=False),
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mb", sa.Integer, nullable=False),
    sa.Column("image_id", sa.String(36)),
    sa.Column("image_properties", Json, nullable=False),
    sa.Column("key_name", sa.String(255)),
    sa.Column("key_data", sa.Text),
    sa.Column("user_data", Json),
    sa.Column("injected_files", Json),
    sa.Column("config_drive", sa.Boolean, nullable=False),
    sa.Column("metadata", Json, nullable=False, key="metadata_"),
    sa.Column("tags", Json, nullable=False),
    sa.Column("description", sa.String(255)),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("requested_zone", sa.String(255)),
    sa.Column("reservation_id", sa.String(255), nullable=False),
    sa.Column("launch_index", sa.Integer, nullable=False),
    sa.Column("root_device_name", sa.String(255)),
    sa.Column("access_ip_v4", sa.String(64)),
    sa.Column("access_ip_v6", sa.String(64)),
    sa.Column("locked", sa.Boolean, nullable=False, default=False),
    sa.Column("locked_by", sa.String(16)),
    sa.Column("locked_reason", sa.String(255)),
    sa.Column("progress", sa.Integer, nullable=False, default=0),
    sa.Column("disk_config", sa.String(16), nullable=False),
    sa.Column("requested_networks", Json),
    sa.Column("security_groups", Json, nullable=False),
    sa.Column("security_group_names", Json, nullable=False),
    sa.Column("scheduler_hints", Json, nullable=False),
    sa.Column("vifs", Json, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
    sa.Column("launched_at", UTCDateTime),
    sa.Column("shelved_at", UTCDateTime),
    sa.Column("shelved_image_id", sa.String(36)),
    sa.Column("terminated_at", UTCDateTime),
    sa.Column("deleted_at", UTCDateTime),
    sa.Column("soft_deleted_at", UTCDateTime),
    sa.Column("password", sa.Text),
    sa.Index("ix_instances_project", "project_id", "deleted_at", "created_at"),
    sa.Index("ix_instances_host", "host", "deleted_at"),
    sa.Index("ix_instances_deleted", "deleted_at", "created_at"),
)

block_devices = sa.Table(
    "block_devices",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("source_type", sa.String(16), nullable=False),
    sa.Column("destination_type", sa.String(16), nullable=False),
    sa.Column("boot_index", sa.Integer),
    sa.Column("volume_id", sa.String(36)),
    sa.Column("image_id", sa.String(36)),
    sa.Column("volume_size_gb", sa.Integer),
    sa.Column("device_name", sa.String(64)),
    sa.Column("delete_on_termination", sa.Boolean, nullable=False),
    sa.Column("attachment_id", sa.String(36)),
    sa.Column("connection_info", Json),
    sa.Column("tag", sa.String(64)),
    sa.Column("snapshot_id", sa.String(36)),
    sa.Column("volume_type", sa.String(255)),
    sa.Column("guest_format", sa.String(255)),
    sa.Column("disk_bus", sa.String(16)),
    sa.Column("device_type", sa.String(16)),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("instance_uuid", "device_name", name="uq_block_devices_device"),
    sa.Index("ix_block_devices_instance", "instance_uuid"),
    sa.Index("ix_block_devices_volume", "volume_id"),
)

instance_faults = sa.Table(
    "instance_faults",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("code", sa.Integer, nullable=False),
    sa.Column("message", sa.String(255), nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Index("ix_instance_faults_instance", "instance_uuid"),
)

instance_actions = sa.Table(
    "instance_actions",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64)),
    sa.Column("project_id", sa.String(64)),
    sa.Column("message", sa.String(255)),
    sa.Column("start_time", UTCDateTime, nullable=False),
    sa.Column("finish_time", UTCDateTime),
    sa.Column("updated_at", UTCDateTime),
    sa.Index("ix_instance_actions_instance", "instance_uuid", "request_id"),
)

instance_action_events = sa.Table(
    "instance_action_events",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("action_id", _Id, sa.ForeignKey("instance_actions.id"), nullable=False),
    sa.Column("event", sa.String(128), nullable=False),
    sa.Column("start_time", UTCDateTime, nullable=False),
    sa.Column("finish_time", UTCDateTime),
    sa.Column("result", sa.String(32)),
    sa.Column("traceback", sa.Text),
    sa.Column("details", sa.Text),
    sa.Column("host", sa.String(255)),
    sa.Index("ix_instance_action_events_action", "action_id"),
)

# Work in flight. The row, not the message, is the truth: see db/work.py.
work = sa.Table(
    "work",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("host", sa.String(255)),
    sa.Column("owner", sa.String(255)),
    sa.Column("lease_until", UTCDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("request", Json, nullable=False),
    sa.Column("context", Json, nullable=False),
    sa.Column("action_id", _Id, sa.ForeignKey("instance_actions.id")),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Index("ix_work_instance", "instance_uuid", "action"),
    sa.Index("ix_work_lease", "lease_until"),
    sa.Index("ix_work_owner", "owner"),
)

# Launches that reserve or make volumes, before there is an instance; see db/unentered.py.
unentered = sa.Table(
    "unentered",
    metadata,
    sa.Column("server_uuid", sa.String(36), primary_key=True),
    sa.Column("until", UTCDateTime, nullable=False),
    sa.Column("given_up", sa.Boolean, nullable=False),
    sa.Index("ix_unentered_until", "until"),
)

# Each host tells of its instances once for each period; see db/usage_audits.py.
usage_audits = sa.Table(
    "usage_audits",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("period_beginning", UTCDateTime, nullable=False),
    sa.Column("period_ending", UTCDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("message", sa.String(255), nullable=False),
    sa.Column("instances", sa.Integer, nullable=False),
    sa.Column("errors", sa.Integer, nullable=False),
    sa.UniqueConstraint("host", "period_beginning", "period_ending", name="uq_usage_audits_period"),
)

# Moves of instances to another size or host; see model/migration.py.
migrations = sa.Table(
    "migrations",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("migration_type", sa.String(32), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("source_compute", sa.String(255)),
    sa.Column("source_node", sa.String(255)),
    sa.Column("dest_compute", sa.String(255)),
    sa.Column("dest_node", sa.String(255)),
    sa.Column("dest_host", sa.String(255)),
    sa.Column("old_flavor", Json, nullable=False),
    sa.Column("new_flavor", Json, nullable=False),
    sa.Column("old_flavor_number", sa.Integer, nullable=False),
    sa.Column("new_flavor_number", sa.Integer, nullable=False),
    sa.Column("old_vm_state", sa.String(32), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
    sa.Index("ix_migrations_instance", "instance_uuid", "status"),
    sa.Index("ix_migrations_source", "source_compute", "status"),
    sa.Index("ix_migrations_status", "status", "updated_at"),
)

# Who may open a console, once and for a while: see db/console_tokens.py.
console_tokens = sa.Table(
    "console_tokens",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("expires_at", UTCDateTime, nullable=False),
    sa.Index("ix_console_tokens_instance", "instance_uuid"),
    sa.Index("ix_console_tokens_expiry", "expires_at"),
)

flavors = sa.Table(
    "flavors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("flavorid", sa.String(255), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mb", sa.Integer, nullable=False),
    sa.Column("root_gb", sa.Integer, nullable=False),
    sa.Column("ephemeral_gb", sa.Integer, nullable=False),
    sa.Column("swap_mb", sa.Integer, nullable=False),
    sa.Column("rxtx_factor", sa.Float, nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("extra_specs", Json, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

flavor_access = sa.Table(
    "flavor_access",
    metadata,
    sa.Column("flavorid", sa.String(255), primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True),
)

keypairs = sa.Table(
    "keypairs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="uq_keypairs_name"),
)

services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("binary", sa.String(64), nullable=False),
    sa.Column("incarnation", sa.String(36)),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("forced_down", sa.Boolean, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
    sa.Column("last_seen_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("host", "binary", name="uq_services_host"),
)

compute_nodes = sa.Table(
    "compute_nodes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("host", sa.String(255), nullable=False, unique=True),
    sa.Column("hypervisor_hostname", sa.String(255), nullable=False),
    sa.Column("hypervisor_type", sa.String(32), nullable=False),
    sa.Column("hypervisor_version", sa.Integer, nullable=False),
    sa.Column("host_ip", sa.String(64)),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mb", sa.Integer, nullable=False),
    sa.Column("disk_gb", sa.Integer, nullable=False),
    sa.Column("disk_available_gb", sa.Integer, nullable=False),
    sa.Column("vcpus_limit", sa.Integer, nullable=False),
    sa.Column("memory_mb_limit", sa.Integer, nullable=False),
    sa.Column("disk_gb_limit", sa.Integer, nullable=False),
    sa.Column("vcpus_used", sa.Integer, nullable=False),
    sa.Column("memory_mb_used", sa.Integer, nullable=False),
    sa.Column("disk_gb_used", sa.Integer, nullable=False),
    sa.Column("running_vms", sa.Integer, nullable=False),
    sa.Column("reserved_memory_mb", sa.Integer, nullable=False),
    sa.Column("cpu_info", Json, nullable=False),
    sa.Column("accelerator", sa.String(64), nullable=False),
    sa.Column("accelerator_reason", sa.String(255), nullable=False),
    sa.Column("supported", Json, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
)

# A claim: what one instance holds of one host. `*_used` above is their sum.
# While an instance moves it has two, told apart by their purpose: `instance`
# for where it goes, `migration` for where it came from.
allocations = sa.Table(
    "allocations",
    metadata,
    sa.Column("instance_uuid", sa.String(36), primary_key=True),
    sa.Column("purpose", sa.String(16), primary_key=True, server_default="instance"),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mb", sa.Integer, nullable=False),
    sa.Column("disk_gb", sa.Integer, nullable=False),
    sa.Index("ix_allocations_host", "host"),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("hard_limit", sa.Integer, nullable=False),
)

# A user's own limits within a project; they never allow more than the project's.
user_quotas = sa.Table(
    "user_quotas",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("hard_limit", sa.Integer, nullable=False),
)

# The class `default` stands before the configured defaults.
quota_classes = sa.Table(
    "quota_classes",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("hard_limit", sa.Integer, nullable=False),
)

# One row a project; locked while its quota is checked and used.
project_locks = sa.Table(
    "project_locks",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
)

server_groups = sa.Table(
    "server_groups",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("policy", sa.String(32), nullable=False),
    sa.Column("rules", Json, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    # Written by every claim of a member: its lock is what makes them come one after the other.
    sa.Column("claimed_at", UTCDateTime),
    sa.Index("ix_server_groups_project", "project_id"),
)

server_group_members = sa.Table(
    "server_group_members",
    metadata,
    sa.Column("instance_uuid", sa.String(36), primary_key=True),
    sa.Column("group_uuid", sa.String(36), nullable=False),
    sa.Index("ix_server_group_members_group", "group_uuid"),
)

aggregates = sa.Table(
    "aggregates",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("metadata", Json, nullable=False, key="metadata_"),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
)

aggregate_hosts = sa.Table(
    "aggregate_hosts",
    metadata,
    sa.Column("aggregate_id", sa.Integer, sa.ForeignKey("aggregates.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
)

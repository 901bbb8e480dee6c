"""Rules of the identity service.

`admin` on any project runs the cloud. Everybody may see and revoke his own
token, see himself, his projects and his role assignments. Targets are built
from the database and the token, never from the request's body or query.
"""

from oslo_policy import policy

from minova.common.policy import ADMIN, ADMIN_OR_SERVICE, ANYONE

OWNER = f"{ADMIN_OR_SERVICE} or user_id:%(user_id)s"
OWN_PROJECT = f"{ADMIN_OR_SERVICE} or project_id:%(project_id)s"
OWN_DOMAIN = f"{ADMIN_OR_SERVICE} or user_domain_id:%(domain_id)s or domain_id:%(domain_id)s"

_GRANT = "/v3/{target}/{target_id}/users/{user_id}/roles/{role_id}"

# (rule, who may, what it is about, operations)
_RULES: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("validate_token", OWNER, "Validate a token.", (("GET", "/v3/auth/tokens"),)),
    ("revoke_token", OWNER, "Revoke a token.", (("DELETE", "/v3/auth/tokens"),)),
    ("list_user_projects", OWNER, "A user's projects.", (("GET", "/v3/users/{user_id}/projects"),)),
    ("list_user_groups", OWNER, "A user's groups.", (("GET", "/v3/users/{user_id}/groups"),)),
    (
        "list_role_assignments",
        OWNER,
        "List role assignments; users who are no admins have to filter by their own user.id.",
        (("GET", "/v3/role_assignments"),),
    ),
    (
        "list_grants",
        ADMIN_OR_SERVICE,
        "A user's roles on a project, a domain or the system.",
        (("GET", "/v3/{target}/{target_id}/users/{user_id}/roles"),),
    ),
    ("check_grant", ADMIN_OR_SERVICE, "Whether a user has a role.", (("HEAD", _GRANT),)),
    ("create_grant", ADMIN, "Give a user a role.", (("PUT", _GRANT),)),
    ("revoke_grant", ADMIN, "Take a role from a user.", (("DELETE", _GRANT),)),
    (
        "list_implied_roles",
        ADMIN_OR_SERVICE,
        "Which roles a role brings.",
        (("GET", "/v3/roles/{role_id}/implies"), ("GET", "/v3/role_inferences")),
    ),
    (
        "create_implied_role",
        ADMIN,
        "Make a role bring another.",
        (("PUT", "/v3/roles/{role_id}/implies/{implied_role_id}"),),
    ),
    (
        "delete_implied_role",
        ADMIN,
        "Make a role no longer bring another.",
        (("DELETE", "/v3/roles/{role_id}/implies/{implied_role_id}"),),
    ),
    ("list_groups", ADMIN_OR_SERVICE, "List groups (there are none).", (("GET", "/v3/groups"),)),
)

# collection -> (singular, who may list, who may see one); changes are for admins.
_COLLECTIONS = {
    "domains": ("domain", ADMIN_OR_SERVICE, OWN_DOMAIN),
    "projects": ("project", ADMIN_OR_SERVICE, OWN_PROJECT),
    "users": ("user", ADMIN_OR_SERVICE, OWNER),
    "roles": ("role", ADMIN_OR_SERVICE, ADMIN_OR_SERVICE),
    "regions": ("region", ANYONE, ANYONE),
    "services": ("service", ADMIN_OR_SERVICE, ADMIN_OR_SERVICE),
    "endpoints": ("endpoint", ADMIN_OR_SERVICE, ADMIN_OR_SERVICE),
}


def _rule(
    name: str, check: str, description: str, operations: tuple[tuple[str, str], ...]
) -> policy.DocumentedRuleDefault:
    return policy.DocumentedRuleDefault(
        name=f"identity:{name}",
        check_str=check,
        description=description,
        operations=[{"method": method, "path": path} for method, path in operations],
    )


def _collection_rules() -> list[policy.DocumentedRuleDefault]:
    rules = []
    for plural, (member, lister, viewer) in _COLLECTIONS.items():
        path = f"/v3/{plural}"
        one = f"{path}/{{{member}_id}}"
        rules += [
            _rule(f"list_{plural}", lister, f"List {plural}.", (("GET", path),)),
            _rule(f"get_{member}", viewer, f"Show a {member}.", (("GET", one),)),
            _rule(f"create_{member}", ADMIN, f"Create a {member}.", (("POST", path),)),
            _rule(f"update_{member}", ADMIN, f"Change a {member}.", (("PATCH", one),)),
            _rule(f"delete_{member}", ADMIN, f"Delete a {member}.", (("DELETE", one),)),
        ]
    return rules


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Every rule of the service, for the enforcer and for policy.yaml.sample."""
    return [*(_rule(*rule) for rule in _RULES), *_collection_rules()]

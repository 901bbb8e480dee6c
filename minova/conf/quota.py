"""[quota]: default limits of a project; -1 is without limit."""

from oslo_config import cfg

DEFAULTS = {
    "instances": (10, "Servers."),
    "cores": (20, "vCPUs."),
    "ram": (50 * 1024, "MiB of RAM."),
    "metadata_items": (128, "Metadata entries of a server."),
    "key_pairs": (100, "Key pairs of a user."),
    "server_groups": (10, "Server groups."),
    "server_group_members": (10, "Servers in a server group."),
    "injected_files": (5, "Injected files of a server."),
    "injected_file_content_bytes": (10 * 1024, "Bytes of an injected file."),
    "injected_file_path_bytes": (255, "Bytes of an injected file's path."),
}
OPTIONS = {
    "quota": [
        cfg.IntOpt(name, default=default, min=-1, help=text)
        for name, (default, text) in DEFAULTS.items()
    ]
}

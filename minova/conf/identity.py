"""[identity]: the slim Keystone."""

from oslo_config import cfg

from minova.conf import database

OPTIONS = {
    "identity": [
        database.connection("identity"),
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address the service listens on."),
        cfg.PortOpt("port", default=5000, help="Port of the identity API."),
        cfg.IntOpt("threads", default=10, min=1, help="Requests served at the same time."),
        cfg.StrOpt(
            "key_repository",
            default="$state_path/identity/fernet-keys",
            help="Folder of the Fernet keys that encrypt tokens (0700, files 0600).",
        ),
        cfg.IntOpt("token_expiration", default=3600 * 4, min=60, help="Life of a token, seconds."),
        cfg.IntOpt("max_active_keys", default=3, min=2, help="Fernet keys kept at a rotation."),
    ]
}

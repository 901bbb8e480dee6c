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
        cfg.IntOpt(
            "max_active_keys",
            default=3,
            min=3,
            help="Fernet keys kept at a rotation: the staged, the primary and the rest secondary. "
            "A token can be read until its key is dropped, so rotate no more often than "
            "token_expiration / (max_active_keys - 2).",
        ),
        cfg.IntOpt(
            "allow_expired_window",
            default=3600 * 48,
            min=0,
            help="How long after its end a service may still validate a user's token with "
            "?allow_expired=1, seconds. Nothing can be authenticated with such a token.",
        ),
        cfg.IntOpt(
            "password_hash_rounds",
            default=10,
            min=4,
            max=16,
            help="Cost of bcrypt: each step doubles the time of a password login (10 is about "
            "50 ms of one core). Existing passwords keep the cost they were stored with.",
        ),
        cfg.IntOpt(
            "max_password_length",
            default=1024,
            min=64,
            max=4096,
            help="Longest password accepted, characters; longer ones answer 400.",
        ),
        cfg.StrOpt(
            "public_endpoint",
            help="URL of the identity API as clients reach it, without /v3, shown in the "
            "WWW-Authenticate header of a 401. Default: built from host and port.",
        ),
    ]
}

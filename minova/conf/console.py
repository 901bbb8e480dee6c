"""[console]: minova-console, and where nova-compute says that its guests' consoles are."""

from oslo_config import cfg

OPTIONS = {
    "console": [
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address minova-console listens on."),
        cfg.PortOpt("port", default=6080, help="Port of the noVNC page and of the websockets."),
        cfg.StrOpt(
            "novnc_base_url",
            default="http://$host:$port/vnc_lite.html",
            help="Address of the page that shows a screen, as browsers reach it. Its scheme, host "
            "and port are the one Origin that the websockets accept besides allowed_origins.",
        ),
        cfg.StrOpt(
            "serial_base_url",
            default="ws://$host:$port/",
            help="Address of the serial consoles' websocket, as clients reach it.",
        ),
        cfg.ListOpt(
            "allowed_origins",
            default=[],
            help="More pages whose browsers may open consoles and show the page in a frame, such "
            "as https://horizon.example.org.",
        ),
        cfg.IntOpt(
            "token_ttl",
            default=600,
            min=1,
            help="Seconds in which a console's URL has to be opened. It opens one connection.",
        ),
        cfg.IntOpt(
            "session_ttl",
            default=14400,
            min=1,
            help="Seconds after which an open console is closed; its user asks for a new URL.",
        ),
        cfg.IntOpt(
            "max_connections", default=100, min=1, help="Connections open at the same time."
        ),
        cfg.StrOpt(
            "novnc_path", default="/usr/share/novnc", help="Folder of noVNC (Debian: novnc)."
        ),
        cfg.StrOpt(
            "gate_path",
            default="$state_path/consoles",
            help="Folder of the Unix socket at which nova-compute hands the consoles of its "
            "guests to the minova-console of the same host.",
        ),
    ]
}

"""[image]: the slim Glance."""

from oslo_config import cfg

from minova.conf import database

OPTIONS = {
    "image": [
        database.connection("image"),
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address the service listens on."),
        cfg.PortOpt("port", default=9292, help="Port of the image API."),
        cfg.IntOpt("threads", default=10, min=1, help="Requests served at the same time."),
        cfg.StrOpt("store_path", default="$state_path/images", help="Folder of the image files."),
        cfg.IntOpt(
            "max_image_size_mib", default=65536, min=1, help="Largest upload accepted, MiB."
        ),
        cfg.IntOpt(
            "max_virtual_size_gib",
            default=1024,
            min=1,
            help="Largest disk an image may describe, GiB; an upload that claims more is refused.",
        ),
    ]
}

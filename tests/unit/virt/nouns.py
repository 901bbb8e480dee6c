"""Instances, images and interfaces for tests of the virt drivers."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from minova.model.instance import (
    VIF,
    BlockDevice,
    FixedIP,
    Flavor,
    ImageMeta,
    Instance,
    utcnow,
)

NANO = Flavor(id="1", name="m1.nano", vcpus=1, memory_mb=64, root_gb=1)


def image_of(data: bytes, disk_format: str = "raw", **changed: Any) -> ImageMeta:
    """What a truthful image service says of `data`."""
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "name": "image",
        "status": "active",
        "disk_format": disk_format,
        "container_format": "bare",
        "size": len(data),
        "virtual_size": None,
        "checksum": hashlib.md5(data).hexdigest(),
        "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(data).hexdigest(),
        "min_disk_gb": 0,
        "min_ram_mb": 0,
        "owner": "project",
        "visibility": "public",
    }
    return ImageMeta(**{**values, **changed})


class Source:
    """An image service that has one image; counts how often it was read."""

    def __init__(self, data: bytes, meta: ImageMeta | None = None) -> None:
        self.meta = meta or image_of(data)
        self.data = data
        self.reads = 0

    def chunks(self) -> Iterator[bytes]:
        self.reads += 1
        for at in range(0, len(self.data), 65536):
            yield self.data[at : at + 65536]


_numbers = iter(range(1, 10**6))


def instance_of(image: ImageMeta | None = None, flavor: Flavor = NANO, **changed: Any) -> Instance:
    """A server that is being built."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "uuid": str(uuid4()),
        "name": f"server-{number}",
        "hostname": f"server-{number}",
        "project_id": "p" * 32,
        "user_id": "u" * 32,
        "vm_state": "building",
        "task_state": "spawning",
        "power_state": 0,
        "flavor": flavor,
        "created_at": utcnow(),
        "id": number,
        "image_id": image.id if image else None,
    }
    return Instance(**{**values, **changed})


def vif_of(bridge: str = "br-test", number: int = 1, **changed: Any) -> VIF:
    """A bound port."""
    values: dict[str, Any] = {
        "port_id": str(uuid4()),
        "network_id": "9d83c053-b0a4-4682-ae80-c00df269ce0a",
        "network_name": "private",
        "mac_address": f"fa:16:3e:00:00:{number:02x}",
        "tap": f"taptest{number}",
        "bridge": bridge,
        "mtu": 1450,
        "fixed_ips": [
            FixedIP("10.0.0.11", "10.0.0.0/24", gateway="10.0.0.1", dns=["10.0.0.2", "10.0.0.3"])
        ],
    }
    return VIF(**{**values, **changed})


def volume_of(socket: Path | str = "/run/volume.sock", **changed: Any) -> BlockDevice:
    """A volume that the volume service has connected."""
    volume_id = changed.pop("volume_id", None) or str(uuid4())
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "source_type": "volume",
        "destination_type": "volume",
        "volume_id": volume_id,
        "connection_info": {
            "driver_volume_type": "nbd",
            "data": {
                "transport": "unix",
                "socket": str(socket),
                "export": f"volume-{volume_id}",
                "access_mode": "rw",
            },
        },
    }
    return BlockDevice(**{**values, **changed})


def qcow2(folder: Path, size: str = "64M", *options: str) -> bytes:
    """The bytes of an empty qcow2 file of `size`."""
    path = folder / "made.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size], check=True
    )
    data = path.read_bytes()
    path.unlink()
    return data

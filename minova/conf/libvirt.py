"""[libvirt]: the driver that boots real guests."""

from oslo_config import cfg

OPTIONS = {
    "libvirt": [
        cfg.StrOpt(
            "virt_type",
            default="kvm",
            choices=["kvm", "qemu"],
            help="`kvm` needs a host whose KVM passes the probe at start; `qemu` emulates (slow).",
        ),
        cfg.StrOpt("connection_uri", default="qemu:///system", help="libvirt's URI."),
        cfg.StrOpt(
            "instances_path",
            default="$state_path/instances",
            help="Folder of the guests' disks, config drives and console logs, and of the image "
            "cache (`_base`).",
        ),
        cfg.StrOpt(
            "machine_type",
            default="pc",
            help="QEMU machine of the guests; an image's hw_machine_type overrides it.",
        ),
        cfg.StrOpt(
            "cpu_mode",
            default="auto",
            choices=["auto", "host-passthrough", "host-model", "none"],
            help="CPU shown to guests; auto is host-passthrough under kvm, none under qemu.",
        ),
        cfg.StrOpt("images_type", default="qcow2", choices=["qcow2"], help="Format of disks."),
        cfg.StrOpt(
            "probe_kernel",
            default="$state_path/guest/vmlinuz",
            help="Kernel that the KVM probe boots.",
        ),
        cfg.StrOpt(
            "probe_initrd",
            default="$state_path/guest/probe-initrd",
            help="One-line initrd that the KVM probe boots.",
        ),
        cfg.IntOpt(
            "tb_cache_mib", default=64, min=16, help="TCG translation cache per guest, MiB."
        ),
        cfg.StrOpt(
            "disk_cachemode",
            default="writeback",
            choices=["writeback", "none", "unsafe", "writethrough"],
            help="QEMU's cache mode of the guests' local disks.",
        ),
    ]
}

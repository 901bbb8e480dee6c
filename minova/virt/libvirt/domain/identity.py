"""Name, uuid, and whose guest it is: the metadata by which we know our own domains again."""

from xml.etree import ElementTree

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec

NAMESPACE = "https://minova.invalid/xmlns/instance/1"
PREFIX = "minova"
ElementTree.register_namespace(PREFIX, NAMESPACE)


def build(spec: DomainSpec, domain: Element) -> None:
    add(domain, "name", spec.name)
    add(domain, "uuid", spec.uuid)
    owner = spec.owner
    instance = add(add(domain, "metadata"), _tag("instance"))
    add(instance, _tag("name"), _printable(owner.server_name))
    add(instance, _tag("created"), owner.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    add(
        instance,
        _tag("flavor"),
        name=_printable(owner.flavor_name),
        memory_mb=owner.flavor_memory_mb,
        vcpus=owner.flavor_vcpus,
    )
    add(instance, _tag("project"), id=_printable(owner.project_id))
    add(instance, _tag("user"), id=_printable(owner.user_id))
    if owner.image_id:
        add(instance, _tag("image"), id=_printable(owner.image_id))


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 cannot carry in any form."""
    return "".join(c for c in text if c.isprintable() and c not in "\ufffe\uffff")

"""Adding to an XML tree in one line each."""

from typing import Any
from xml.etree import ElementTree

Element = ElementTree.Element


def add(parent: Element, tag: str, text: Any = None, **attributes: Any) -> Element:
    """A new last child of `parent`. Attributes that are None are left out."""
    known = {name: str(value) for name, value in attributes.items() if value is not None}
    child = ElementTree.SubElement(parent, tag, known)
    if text is not None:
        child.text = str(text)
    return child


def devices(domain: Element) -> Element:
    """The domain's `<devices>`, made on first use."""
    found = domain.find("devices")
    return add(domain, "devices") if found is None else found

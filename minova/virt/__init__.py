"""What runs the guests: one driver interface, a libvirt and a fake driver."""

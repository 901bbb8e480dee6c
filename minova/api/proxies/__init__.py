"""What nova-api answered for other services until 2.35, and asks them with the caller's token."""

from minova.api.access import Access
from minova.api.proxies import gone
from minova.api.proxies.baremetal import BareMetalProxies
from minova.api.proxies.floating_ips import FloatingIPProxies
from minova.api.proxies.images import ImageProxies
from minova.api.proxies.networks import NetworkProxies
from minova.api.proxies.security_groups import SecurityGroupProxies
from minova.api.proxies.volumes import VolumeProxies
from minova.common.wsgi import Route

_EACH = (
    SecurityGroupProxies,
    NetworkProxies,
    FloatingIPProxies,
    VolumeProxies,
    ImageProxies,
    BareMetalProxies,
)


def routes(access: Access) -> list[Route]:
    """Their lines of the route table, and those of what is gone for good."""
    return [*(route for proxy in _EACH for route in proxy(access).routes()), *gone.routes()]

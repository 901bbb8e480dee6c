"""The other services, as the volume service sees them: image and compute, over REST.

It calls them as its service user. Only what a user's own rights decide (may
she read this image?) is asked with her token, which is never stored.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import requests
import tenacity
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ka_errors

from minova.common import errors, service_user, tracing

LOG = logging.getLogger(__name__)
_CHUNK = 1024 * 1024

_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(errors.Unavailable),
    wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
    stop=tenacity.stop_after_delay(60),
    reraise=True,
)


class Peers:
    """Adapters to the catalog's services."""

    def images(self) -> "Images":
        return Images(_adapter("image"))

    def servers(self) -> "Servers":
        return Servers(_adapter("compute"))


class Images:
    """The image service."""

    def __init__(self, rest: adapter.Adapter) -> None:
        self._rest = rest

    def get(self, image_id: str, token: str | None) -> dict[str, Any]:
        """An image's record, with the rights of `token`; errors.NotFound."""
        answer = _call(self._rest, "GET", f"/v2/images/{image_id}", token)
        found: dict[str, Any] = answer.json()
        return found

    @_again
    def record(self, image_id: str) -> dict[str, Any]:
        """An image's record with our own rights, asked for up to a minute."""
        return self.get(image_id, None)

    def download(self, image_id: str) -> Iterator[bytes]:
        """The image's bytes, in chunks."""
        answer = _again(_call)(self._rest, "GET", f"/v2/images/{image_id}/file", None, stream=True)
        try:
            yield from answer.iter_content(_CHUNK)
        except requests.RequestException as error:
            raise errors.Unavailable(service="The image service") from error
        finally:
            answer.close()

    def create(self, body: dict[str, Any], token: str | None) -> dict[str, Any]:
        """A new image record without data, owned by the token's project."""
        answer = _call(self._rest, "POST", "/v2/images", token, json=body)
        created: dict[str, Any] = answer.json()
        return created

    def upload(self, image_id: str, chunks: Iterable[bytes], token: str | None) -> None:
        """The image's data."""
        headers = {"Content-Type": "application/octet-stream"}
        _call(self._rest, "PUT", f"/v2/images/{image_id}/file", token, data=chunks, headers=headers)

    def delete(self, image_id: str, token: str | None) -> None:
        """Remove an image; gone already is fine."""
        try:
            _call(self._rest, "DELETE", f"/v2/images/{image_id}", token)
        except errors.NotFound:
            LOG.debug("image %s is gone already", image_id)


class Servers:
    """The compute service."""

    def __init__(self, rest: adapter.Adapter) -> None:
        self._rest = rest

    def has_volume(self, server_id: str, volume_id: str) -> bool:
        """Whether the server has the volume, or may have: only a clear no is a no."""
        path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
        try:
            _call(self._rest, "GET", path, None)
        except errors.NotFound:
            return False
        except errors.MinovaError as error:
            LOG.warning("cannot ask whether server %s uses a volume: %s", server_id, error.message)
        return True


def _adapter(service_type: str) -> adapter.Adapter:
    options = service_user.options()
    return adapter.Adapter(
        session=service_user.session(),
        service_type=service_type,
        interface=options.valid_interfaces or ["internal", "public"],
        region_name=options.region_name,
    )


def _call(
    rest: adapter.Adapter, method: str, path: str, token: str | None, **options: Any
) -> requests.Response:
    """One request; its error as a domain error with a message that may be shown."""
    headers = dict(options.pop("headers", {}))
    tracing.inject(headers)
    if token is not None:
        headers["X-Auth-Token"] = token
    name = f"The {rest.service_type} service"
    with tracing.span(f"{method} {rest.service_type} {path}", transport="REST"):
        try:
            answer: requests.Response = rest.request(
                path,
                method,
                headers=headers,
                authenticated=token is None,
                raise_exc=False,
                **options,
            )
        except (ka_errors.ClientException, requests.RequestException) as error:
            LOG.error("%s cannot be reached: %s", name, error)
            raise errors.Unavailable(service=name) from error
    if answer.status_code >= 500:
        raise errors.Unavailable(service=name)
    if answer.status_code >= 400:
        raise service_user.family_of(answer.status_code)(f"{name} answered {answer.status_code}.")
    return answer

"""One authenticated session a process, and REST calls that raise domain errors.

Services act as their own user (`[service_user]`); the API acts as its
caller where the caller's own rights have to decide. Traces and the global
request id go along in headers.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import requests
import tenacity
from keystoneauth1 import exceptions as ka_errors
from keystoneauth1.session import Session
from opentelemetry.trace import SpanKind

from minova.common import errors, service_user, tracing
from minova.common.context import RequestContext

LOG = logging.getLogger(__name__)
_CATALOG_SECONDS = 300
LOG_IN_SECONDS = 300

# How long a service may say nothing before the step that waits for it fails. Binding a port to a
# host whose agent is dead takes 30 s.
_SILENCE_SECONDS = 45
# Writing an image of many GiB to the store's disk takes longer.
_DIGEST_SECONDS = 600

_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(errors.Unavailable),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
    stop=tenacity.stop_after_delay(15),
    reraise=True,
)


class _Endpoints:
    """Where the catalog says a service is; asked anew every few minutes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Session, str, str | None]] = {}

    def of(self, service_type: str, name: str) -> tuple[str, str | None]:
        """The endpoint, without a slash at its end, and the project its URL is of."""
        session = service_user.session()
        known = self._known.get(service_type)
        if known is not None and known[0] > time.monotonic() and known[1] is session:
            return known[2:]
        options = service_user.options()
        endpoint = session.get_endpoint(
            service_type=service_type,
            interface=options.valid_interfaces or ["internal", "public"],
            region_name=options.region_name,
        )
        if not endpoint:
            raise errors.Unavailable(
                f"The catalog has no endpoint for the {name} service ({service_type})."
            )
        found = endpoint.rstrip("/"), session.get_project_id()
        until = time.monotonic() + _CATALOG_SECONDS
        self._known[service_type] = (until, session, *found)
        return found

    def forget(self, service_type: str) -> None:
        """It does not answer: it may have moved."""
        self._known.pop(service_type, None)


_endpoints = _Endpoints()


def warm_up() -> None:
    """Log in, so that the first request need not; for a `service.Periodic`.

    Checking the password alone takes some 60 ms of CPU. When identity
    is not there yet, the first request does it after all.
    """
    try:
        service_user.session().get_token()
    except ka_errors.ClientException as error:
        LOG.info("cannot log in yet: %s", error)


class RestClient:
    """Calls to one service of the catalog.

    `name` is what users are told (`image`); `caller` makes the calls with the
    token of that request instead of the service user's.
    """

    def __init__(
        self,
        name: str,
        service_type: str,
        prefix: str = "",
        *,
        caller: RequestContext | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._name, self._type, self._prefix = name, service_type, prefix
        self._caller = caller
        self._headers = headers or {}
        self._patiently = _again(self._request)

    def get(self, path: str, **params: Any) -> Any:
        """GET as JSON, asked again for up to 15 s while the service is unavailable."""
        return self._patiently("GET", path, params=params).json()

    def post(self, path: str, body: Any) -> Any:
        """POST as JSON; None for an empty answer."""
        answer = self._request("POST", path, json=body)
        return answer.json() if answer.content else None

    def put(self, path: str, body: Any) -> Any:
        """PUT as JSON, asked again while the service is unavailable."""
        answer = self._patiently("PUT", path, json=body)
        return answer.json() if answer.content else None

    def send(self, path: str, body: Iterable[bytes], headers: dict[str, str]) -> None:
        """PUT bytes, once. The service may think about them for minutes when it has them all."""
        self._request("PUT", path, data=body, sent=headers, timeout=_DIGEST_SECONDS)

    def patch(self, path: str, body: Any, content_type: str) -> Any:
        """PATCH as JSON of a type, asked again while the service is unavailable."""
        headers = {"Content-Type": content_type}
        return self._patiently("PATCH", path, json=body, sent=headers).json()

    def delete(self, path: str) -> None:
        """DELETE, asked again while the service is unavailable; gone already is fine."""
        try:
            self._patiently("DELETE", path)
        except errors.NotFound:
            LOG.debug("%s %s is gone already", self._name, path)

    def url(self, path: str) -> str:
        """Where `path` of the service is, by the catalog."""
        return self._url(path)

    def remove(self, path: str) -> None:
        """DELETE, once; errors.NotFound when it is not there."""
        self._request("DELETE", path)

    def stream(self, path: str, chunk: int = 1024 * 1024) -> Iterator[bytes]:
        """GET as chunks of bytes."""
        answer = self._request("GET", path, stream=True)
        try:
            yield from answer.iter_content(chunk)
        except requests.RequestException as error:
            raise errors.Unavailable(service=f"The {self._name} service") from error
        finally:
            answer.close()

    def _request(
        self, method: str, path: str, *, sent: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        headers = {**self._headers, **(sent or {})}
        options.setdefault("timeout", _SILENCE_SECONDS)
        with tracing.span(
            f"{method} {self._name} {path}", kind=SpanKind.CLIENT, transport="REST"
        ) as span:
            tracing.inject(headers)
            if self._caller is not None:
                headers["X-Auth-Token"] = self._caller.auth_token or ""
            try:
                answer: requests.Response = service_user.session().request(
                    self._url(path),
                    method,
                    authenticated=self._caller is None,
                    headers=headers,
                    raise_exc=False,
                    connect_retries=1,
                    **options,
                )
            except (ka_errors.ConnectFailure, ka_errors.DiscoveryFailure) as error:
                _endpoints.forget(self._type)
                raise errors.Unavailable(service=f"The {self._name} service") from error
            except ka_errors.ClientException as error:
                LOG.error("cannot reach the %s service: %s", self._name, error)
                raise errors.Unavailable(service=f"The {self._name} service") from error
            span.set_attribute("minova.status", answer.status_code)
        if answer.status_code >= 400:
            raise self._error(answer)
        return answer

    def public_url(self, path: str) -> str:
        """The URL of a path as users reach it; "" when the catalog has none for them."""
        options = service_user.options()
        endpoint = service_user.session().get_endpoint(
            service_type=self._type, interface="public", region_name=options.region_name
        )
        return f"{endpoint.rstrip('/')}{path}" if endpoint else ""

    def _url(self, path: str) -> str:
        base, own_project = _endpoints.of(self._type, self._name)
        if self._caller is not None and own_project and base.endswith(f"/{own_project}"):
            base = base.removesuffix(own_project) + str(self._caller.project_id)
        if self._prefix and not base.endswith(self._prefix):
            base += self._prefix
        return f"{base}{path}"

    def _error(self, answer: requests.Response) -> errors.MinovaError:
        message = _message_of(answer)
        if answer.status_code >= 500:
            LOG.error("the %s service answered %s: %s", self._name, answer.status_code, message)
            return errors.Unavailable(service=f"The {self._name} service")
        family = service_user.family_of(answer.status_code)
        error = family(message or f"The {self._name} service answered {answer.status_code}.")
        error.kind = _kind_of(answer)
        return error


def _message_of(answer: requests.Response) -> str:
    """The sentence in an OpenStack error body, whichever service wrote it."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    if isinstance(body, dict):
        inner = next((v for v in body.values() if isinstance(v, dict) and "message" in v), body)
        return str(inner.get("message", ""))[:500]
    return ""


def _kind_of(answer: requests.Response) -> str:
    """The `type` in Neutron's error bodies; "" in others."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    inner = body.get("NeutronError") if isinstance(body, dict) else None
    return str(inner.get("type", "")) if isinstance(inner, dict) else ""

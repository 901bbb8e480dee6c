"""A network server over HTTP, the bus and one host's agent, for tests.

Who asks is said in headers, in place of a token.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import falcon
import oslo_messaging
import requests

from minova.common import rpc, service
from minova.common.context import RequestContext, service_context
from minova.common.policy import Enforcer
from minova.companions.network import app, rpcapi
from minova.companions.network.agent import rpcapi as agent_rpcapi
from minova.companions.network.binding import Binder, Refresher
from minova.companions.network.manager import NetworkManager
from minova.companions.network.queries import agents
from minova.companions.network.wire import GroupWiring, HostState, NetworkWiring, PortWiring
from minova.db.engine import Database
from minova.policies import network as policies

ROLES = {"admin": "admin,manager,member,reader", "service": "service,reader"}
DEADLINE = 10


def authenticate(req: falcon.Request) -> RequestContext | None:
    """`X-Auth-Token: <project>` or `<project>:<role>`."""
    token = req.get_header("X-Auth-Token")
    if not token:
        return None
    project, _, role = token.partition(":")
    roles = ROLES.get(role, "reader" if role == "reader" else "member,reader").split(",")
    return RequestContext(
        user_id=f"user-of-{project}", project_id=project, roles=roles, overwrite=False
    )


class Server:
    """The server under test; `get`, `post`, … speak as project `demo` unless told."""

    def __init__(
        self,
        db: Database,
        settle: float = 0.02,
        gap: float = 1.0,
        who: Callable[[falcon.Request], RequestContext | None] = authenticate,
        before: Callable[[Any], Any] = lambda wsgi: wsgi,
    ) -> None:
        self.db = db
        agent = agent_rpcapi.NetworkAgentAPI()
        refresher = Refresher(agent, settle, gap)
        wsgi = app.build(db, Enforcer(policies.list_rules()), Binder(db, agent, refresher), who)
        self._rest = service.RestService("network", before(wsgi), "127.0.0.1", 0, threads=10)
        self._services: list[service.Service] = [
            refresher,
            service.RpcService(
                lambda: rpc.serve("network", rpcapi.TOPIC, "server", [NetworkManager(db)])
            ),
            self._rest,
        ]
        self.session = requests.Session()

    def start(self) -> None:
        service.start_all(self._services)

    def stop(self) -> None:
        self.session.close()
        service.stop_all(self._services)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._rest.port}"

    def call(
        self, method: str, path: str, body: Any = None, who: str = "demo"
    ) -> requests.Response:
        url = self.url + ("" if path == "/" else "/v2.0") + path
        headers = {"X-Auth-Token": who} if who else {}
        answer = self.session.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.status_code < 500, answer.text
        return answer

    def get(self, path: str, who: str = "demo", status: int = 200) -> Any:
        return self._json("GET", path, None, who, status)

    def post(self, path: str, body: Any, who: str = "demo", status: int = 201) -> Any:
        return self._json("POST", path, body, who, status)

    def put(self, path: str, body: Any, who: str = "demo", status: int = 200) -> Any:
        return self._json("PUT", path, body, who, status)

    def delete(self, path: str, who: str = "demo", status: int = 204) -> Any:
        return self._json("DELETE", path, None, who, status)

    def error(self, method: str, path: str, body: Any = None, who: str = "demo") -> tuple[int, str]:
        """The status and Neutron's type of an error; its message is a sentence."""
        answer = self.call(method, path, body, who)
        error = answer.json()["NeutronError"]
        assert answer.status_code >= 400 and error["message"] and error["detail"] == ""
        return answer.status_code, error["type"]

    def network(self, cidr: str | None = "10.9.0.0/24", who: str = "demo", **attrs: Any) -> Any:
        network = self.post("/networks", {"network": {"name": "n", **attrs}}, who)["network"]
        if cidr:
            body = {"network_id": network["id"], "ip_version": 4, "cidr": cidr}
            network["subnet"] = self.post("/subnets", {"subnet": body}, who)["subnet"]
        return network

    def port(self, network_id: str, who: str = "demo", **attrs: Any) -> Any:
        return self.post("/ports", {"port": {"network_id": network_id, **attrs}}, who)["port"]

    def _json(self, method: str, path: str, body: Any, who: str, status: int) -> Any:
        answer = self.call(method, path, body, who)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


class Agent:
    """A host's agent that keeps what it is told in memory."""

    target = oslo_messaging.Target(version=agent_rpcapi.VERSION)

    def __init__(self, host: str, db: Database) -> None:
        self.host = host
        self.ports: dict[str, PortWiring] = {}
        self.networks: dict[str, NetworkWiring] = {}
        self.groups: dict[str, GroupWiring] = {}
        self.calls: list[str] = []
        self.fail: Exception | None = None
        self.go = threading.Event()  # until it is set, ports take their time
        self.go.set()
        self._changed = threading.Condition()
        self._server = rpc.serve("network-agent", agent_rpcapi.TOPIC, host, [self])
        self._api = rpcapi.NetworkServerAPI()
        agents.heartbeat(db, host)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._server.wait()

    def ensure_port(
        self,
        ctxt: RequestContext,
        port: PortWiring,
        network: NetworkWiring,
        groups: list[GroupWiring],
    ) -> None:
        if self.fail is not None:
            raise self.fail
        assert self.go.wait(DEADLINE)
        with self._note("ensure_port"):
            self.ports[port.id] = port
            self.networks[network.id] = network
            self.groups.update({group.id: group for group in groups})

    def remove_port(self, ctxt: RequestContext, port_id: str) -> None:
        with self._note("remove_port"):
            self.ports.pop(port_id, None)

    def ping(self, ctxt: RequestContext) -> None:
        with self._note("ping"):
            pass

    def refresh(self, ctxt: RequestContext) -> None:
        # Under the lock: a port that is bound meanwhile comes after the older state.
        with self._note("refresh"):
            state = self.state()
            self.ports = {port.id: port for port in state.ports}
            self.networks = {network.id: network for network in state.networks}
            self.groups = {group.id: group for group in state.groups}

    def state(self) -> HostState:
        return self._api.host_state(service_context(), self.host)

    def tell_status(self, port_id: str, up: bool) -> None:
        self._api.port_status(service_context(), port_id, up)

    def report(self) -> None:
        self._api.report(service_context(), self.host)

    def wait_for(self, what: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Until `what` holds after something this agent was told."""
        with self._changed:
            assert self._changed.wait_for(what, seconds), self.calls

    def _note(self, call: str) -> "_Noting":
        return _Noting(self._changed, self.calls, call)


class _Noting:
    def __init__(self, changed: threading.Condition, calls: list[str], call: str) -> None:
        self._changed, self._calls, self._call = changed, calls, call

    def __enter__(self) -> None:
        self._changed.acquire()

    def __exit__(self, *_: object) -> None:
        self._calls.append(self._call)
        self._changed.notify_all()
        self._changed.release()


def migrated(path: Path) -> Database:
    """A database with the service's tables in a new file."""
    from minova.companions.network.service import MIGRATIONS
    from minova.db import engine

    url = f"sqlite:///{path}"
    engine.migrate(url, MIGRATIONS)
    return Database(url)

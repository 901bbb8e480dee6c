"""The network server: its REST API, its RPC endpoint and the refresher of agents."""

from functools import lru_cache

from oslo_config import cfg

from minova.common import auth, rpc, service
from minova.common.policy import Enforcer
from minova.companions.network import app, rpcapi
from minova.companions.network.agent.rpcapi import NetworkAgentAPI
from minova.companions.network.binding import Binder, Refresher
from minova.companions.network.manager import NetworkManager
from minova.companions.network.servers import Servers
from minova.db.engine import Database
from minova.policies import network as policies

MIGRATIONS = "minova.companions.network.migrations"


def services() -> list[service.Service]:
    """The server's parts, unstarted, from `cfg.CONF`."""
    conf = cfg.CONF
    db = Database(conf.network.connection)
    agent = NetworkAgentAPI()
    refresher, servers = Refresher(agent), Servers()
    api = app.build(db, Enforcer(policies.list_rules()), Binder(db, agent, refresher, servers))
    return [
        refresher,
        servers,
        service.RpcService(
            lambda: rpc.serve(app.NAME, rpcapi.TOPIC, conf.host, [NetworkManager(db)])
        ),
        service.RestService(
            app.NAME, api, conf.network.host, conf.network.port, conf.network.threads
        ),
    ]


@lru_cache(maxsize=1)
def application() -> auth.WSGIApp:
    """The REST API alone, for a WSGI server."""
    db = Database(cfg.CONF.network.connection)
    agent = NetworkAgentAPI()
    binder = Binder(db, agent, Refresher(agent), Servers())
    return app.build(db, Enforcer(policies.list_rules()), binder)

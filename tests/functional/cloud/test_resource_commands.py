"""`openstack` and `nova`, unmodified: groups, aggregates, zones, usage, quotas, private flavors."""

from tests.clients import Clients
from tests.nova import Nova

PROFILES = ("embedded",)


def test_server_groups(demo: Clients, nova: Nova, left_as_found) -> None:
    made = demo.json(
        "openstack server group create --policy anti-affinity --rule max_server_per_host=2 cli-sg"
    )
    assert made["policy"] == "anti-affinity" and made["rules"]
    assert "cli-sg" in {row["Name"] for row in demo.json("openstack server group list --long")}
    demo(
        "openstack server create --image centos7 --flavor m1.nano --network private "
        f"--hint group={made['id']} --wait cli-in-group"
    )
    server_id = demo.json("openstack server show cli-in-group")["id"]
    assert demo.json(f"openstack server show {server_id}")["server_groups"] == [made["id"]]
    assert demo.json("openstack server group show cli-sg")["members"] == [server_id]
    demo("openstack server delete --wait cli-in-group")
    demo("openstack server group delete cli-sg")
    assert "cli-sg" in demo.refused("openstack server group show cli-sg")


def test_aggregates(admin: Clients) -> None:
    (service,) = admin.json("openstack compute service list --service nova-compute")
    host = service["Host"]
    admin("openstack aggregate create --property ssd=true cli-agg")
    admin(f"openstack aggregate add host cli-agg {host}")
    shown = admin.json("openstack aggregate show cli-agg")
    assert (shown["hosts"], shown["properties"]) == ([host], {"ssd": "true"})
    admin("openstack aggregate set --name cli-agg-2 --property ssd=false cli-agg")
    (row,) = admin.json("openstack aggregate list --long")
    assert (row["Name"], row["Properties"]) == ("cli-agg-2", {"ssd": "false"})
    admin("openstack aggregate unset --property ssd cli-agg-2")
    admin(f"openstack aggregate remove host cli-agg-2 {host}")
    admin("openstack aggregate set --zone cli-zone cli-agg-2")
    assert admin.json("openstack aggregate show cli-agg-2")["availability_zone"] == "cli-zone"
    admin("openstack aggregate delete cli-agg-2")


def test_private_flavors(admin: Clients, demo: Clients) -> None:
    admin("openstack flavor create --private --ram 64 --disk 1 --vcpus 1 cli-private")
    assert "cli-private" in demo.refused("openstack flavor show cli-private")
    admin("openstack flavor set --project demo cli-private")
    assert demo.json("openstack flavor show cli-private")["os-flavor-access:is_public"] is False
    admin("openstack flavor unset --project demo cli-private")
    admin("openstack flavor delete cli-private")


def test_usage_quotas_and_the_hosts_behind(admin: Clients, demo: Clients) -> None:
    assert "CPU Hours" in demo.json("openstack usage show")
    assert {"Project", "Servers"} <= set(admin.json("openstack usage list")[0])
    admin("openstack quota set --server-groups 11 --server-group-members 12 demo")
    limits = {row["Name"]: row["Value"] for row in demo.json("openstack limits show --absolute")}
    assert (limits["server_groups"], limits["server_group_members"]) == (11, 12)
    admin("openstack quota delete demo")
    assert admin.json("openstack hypervisor stats show --os-compute-api-version 2.87")["count"] == 1
    admin("openstack --os-compute-api-version 2.42 host list")

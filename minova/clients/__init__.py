"""The core's clients of the four companions: REST through keystoneauth1 and the catalog.

A real Keystone, Glance, Neutron or Cinder can take a companion's place by
changing an endpoint in the catalog; nothing here knows the companions.
"""

"""How the networks of geocloud.models.networks.alternatives are fitted."""

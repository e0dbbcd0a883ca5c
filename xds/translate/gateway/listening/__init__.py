"""The listeners of Gateways and ListenerSets: addresses, conflicts, certificates, and Services."""

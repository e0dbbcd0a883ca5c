"""The edge towards proxies and people: ADS, the debug API, and the admin port."""

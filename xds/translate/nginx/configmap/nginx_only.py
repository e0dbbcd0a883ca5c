"""Keys of what only nginx has."""

from typing import Final

from xds.translate.nginx.configmap.key import Section, not_yet, of_annotations, refused, without_effect

_SECTION: Final = Section.NGINX

KEYS: Final = (
    *without_effect(
        _SECTION,
        "Envoy's --concurrency sets the number of threads where Envoy is started",
        worker_processes="",
        worker_cpu_affinity="",
    ),
    *without_effect(
        _SECTION,
        "Envoy's --drain-time-s, and the Pod's terminationGracePeriodSeconds",
        worker_shutdown_timeout="240s",
    ),
    *without_effect(
        _SECTION,
        "Envoy takes changes without a reload",
        enable_serial_reloads="false",
        enable_multi_accept="true",
        reuse_port="true",
        enable_aio_write="true",
    ),
    *without_effect(
        _SECTION,
        "`xds bootstrap` bounds connections and memory",
        max_worker_connections="16384",
        max_worker_open_files="0",
    ),
    *without_effect(
        _SECTION,
        "a table of nginx",
        map_hash_bucket_size="64",
        server_name_hash_max_size="1024",
        server_name_hash_bucket_size="",
        proxy_headers_hash_max_size="512",
        proxy_headers_hash_bucket_size="64",
        variables_hash_max_size="2048",
        variables_hash_bucket_size="256",
    ),
    *without_effect(_SECTION, "Envoy runs no Lua of ingress-nginx", lua_shared_dicts=""),
    *without_effect(
        _SECTION,
        "Envoy's admin interface listens on 127.0.0.1",
        nginx_status_ipv4_whitelist="127.0.0.1",
        nginx_status_ipv6_whitelist="::1",
    ),
    *without_effect(_SECTION, "a debug log of nginx", debug_connections=""),
    *not_yet(_SECTION, "--listener-address chooses", disable_ipv6="false", disable_ipv6_dns="false", bind_address=""),
    *refused(
        _SECTION,
        "nothing but snippets reads the variables",
        "Remove the key.",
        use_geoip="true",
        use_geoip2="false",
        geoip2_autoreload_in_minutes="0",
    ),
    *of_annotations(
        _SECTION,
        app_root="",
        preserve_trailing_slash="false",
        use_port_in_redirects="false",
        upstream_hash_by="",
        upstream_hash_by_subset="false",
        upstream_hash_by_subset_size="3",
    ),
)

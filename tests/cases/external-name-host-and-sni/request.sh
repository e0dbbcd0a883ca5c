for path in / /kept; do curl -sf -m 20 --retry 5 --retry-all-errors -H 'Host: shop.example.com' http://127.0.0.1:$HTTP$path; echo; done

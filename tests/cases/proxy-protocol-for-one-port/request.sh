curl -s -m 20 -o /dev/null -w '%{http_code} with a header\n' --haproxy-protocol http://127.0.0.1:$PORT_A/
curl -s -m 20 -o /dev/null -w '%{http_code} without\n' http://127.0.0.1:$PORT_A/
curl -s -m 20 -o /dev/null -w '%{http_code} on another port\n' http://127.0.0.1:$PORT_B/
curl -s -m 20 -o /dev/null -w '%{http_code} on HTTP\n' http://127.0.0.1:$HTTP/

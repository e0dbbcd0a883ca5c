curl -s -m 20 -o /dev/null -w '%{http_code}\n' http://127.0.0.1:$PORT_A/
curl -s -m 20 -o /dev/null -w '%{http_code}\n' http://127.0.0.1:$PORT_B/
$XDS problems

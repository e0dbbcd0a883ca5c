ask() { curl -sk -m 20 --connect-to ::127.0.0.1:$HTTPS "$@"; }
ask https://db.shop.test/; echo
ask https://other.shop.test/ | grep -o '"backend": "[^"]*"'
ask -o /dev/null -w '%{http_code}\n' -H 'Host: db.shop.test' https://other.shop.test/

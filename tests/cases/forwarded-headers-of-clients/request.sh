curl -sk -m 20 -H 'X-Real-IP: 6.6.6.6' -H 'X-Forwarded-Host: evil.test' -H 'X-Forwarded-Port: 1' -H 'X-Forwarded-For: 6.6.6.6' -H 'Host: shop.example.com' http://127.0.0.1:$HTTP/ |
  grep -oE '"x-(forwarded|real)[a-z-]*": "[^"]*"' | sort

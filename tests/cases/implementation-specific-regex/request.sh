curl -sk -m 20 -H 'Host: shop.example.com' http://127.0.0.1:$HTTP/application.ApplicationService/Get | grep -o '"backend": "[a-z]*"'; $XDS problems

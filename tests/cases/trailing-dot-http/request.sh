curl -sk -m 20 --resolve shop.example.com.:$HTTP:127.0.0.1 http://shop.example.com.:$HTTP/ | grep -o '"backend": "[a-z]*"'

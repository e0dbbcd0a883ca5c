$PY tests/support/grpc_call.py 127.0.0.1:$HTTP shop.example.com

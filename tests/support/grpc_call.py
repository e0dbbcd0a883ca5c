"""`python -m tests.support.grpc_call HOST:PORT AUTHORITY`: call the gRPC backend of tests/cases without TLS."""

import sys

import grpc

LIMIT_SECONDS = 20


def main(target: str, authority: str) -> None:
    with grpc.insecure_channel(target, options=[("grpc.default_authority", authority)]) as channel:
        try:
            print("OK", channel.unary_unary("/test.Text/Reverse", bytes, bytes)(b"abc", timeout=LIMIT_SECONDS))
        except grpc.RpcError as error:
            print(error.code().name, error.details())


if __name__ == "__main__":
    main(*sys.argv[1:])

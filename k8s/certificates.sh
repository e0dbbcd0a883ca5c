#!/usr/bin/env bash
# certificates.sh FOLDER: make the certificates of the control plane, the fleet and operators with openssl, and put them into
# their Secrets with kubectl. With cert-manager: `kubectl apply -k k8s/cert-manager`, which renews them, too.
#
# FOLDER keeps the authority: another run renews the certificates (they are good for a year), which needs no restart.
# Keep it safe: whoever has ca.key may ask for the private keys of all Ingresses.
set -euo pipefail
umask 077
mkdir -p "$1" && cd "$1"

key() { # NAME
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

certificate() { # NAME DNS_NAME USAGE
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -days 365 -out "$1.crt" -extfile <(
    printf '%s\n' "subjectAltName=DNS:$2" "extendedKeyUsage=$3" basicConstraints=critical,CA:FALSE \
      keyUsage=critical,digitalSignature subjectKeyIdentifier=hash authorityKeyIdentifier=keyid
  )
}

secret() { # SECRET NAME
  kubectl create secret generic "$1" --namespace xds-ingress --dry-run=client --output yaml \
    --from-file=tls.crt="$2.crt" --from-file=tls.key="$2.key" --from-file=ca.crt=ca.crt |
    kubectl apply --server-side --filename -
}

if [[ ! -e ca.crt ]]; then
  key ca
  openssl req -x509 -new -key ca.key -subj /CN=xds-ingress -days 3650 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
fi
certificate server xds-ingress.xds-ingress.svc serverAuth,clientAuth # the Service that proxies ask; a client of other replicas, too
certificate client xds-ingress clientAuth # the fleet's --node-cluster
certificate operator xds-operator clientAuth # the --tls-operators of people, for kubectl xds
secret xds-server-tls server
secret xds-client-tls client
secret xds-operator-tls operator

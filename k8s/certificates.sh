#!/usr/bin/env bash
# certificates.sh [--namespace NAMESPACE] [--name NAME] [--suffix SUFFIX] FOLDER: make the certificates of the control plane,
# the fleet and operators with openssl, and put them into their Secrets with kubectl. With cert-manager: the component
# k8s/cert-manager, which renews them, too.
#
# NAMESPACE is that of the installation, NAME the name of its control plane's Deployment without a nameSuffix of kustomize,
# which is SUFFIX. Both default to xds-ingress: the Secrets are xds-ingress-server-tls, xds-ingress-client-tls and
# xds-ingress-operator-tls.
#
# FOLDER keeps the authority, which is of one installation: another run renews the certificates (they are good for a year),
# which needs no restart. Keep it safe: whoever has ca.key may ask for the private keys of all Ingresses.
set -euo pipefail
umask 077

usage() {
  printf 'usage: certificates.sh [--namespace NAMESPACE] [--name NAME] [--suffix SUFFIX] FOLDER\n' >&2
  exit 2
}

namespace=xds-ingress name=xds-ingress suffix=
while [[ ${1-} == --* ]]; do
  (($# > 1)) || usage
  case $1 in
    --namespace) namespace=$2 ;;
    --name) name=$2 ;;
    --suffix) suffix=$2 ;;
    *) usage ;;
  esac
  shift 2
done
(($# == 1)) || usage
folder=$1 installation=$name$suffix
mkdir -p "$folder" && cd "$folder"

key() { # FILE
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

certificate() { # FILE USAGE DNS_NAME...
  local file=$1 usage=$2 names
  shift 2
  names=$(printf ',DNS:%s' "$@")
  key "$file"
  openssl req -new -key "$file.key" -subj "/CN=$1" -out "$file.csr"
  openssl x509 -req -in "$file.csr" -CA ca.crt -CAkey ca.key -days 365 -out "$file.crt" -extfile <(
    printf '%s\n' "subjectAltName=${names#,}" "extendedKeyUsage=$usage" basicConstraints=critical,CA:FALSE \
      keyUsage=critical,digitalSignature subjectKeyIdentifier=hash authorityKeyIdentifier=keyid
  )
}

secret() { # FILE
  kubectl create secret generic "$name-$1-tls$suffix" --namespace "$namespace" --dry-run=client --output yaml \
    --from-file=tls.crt="$1.crt" --from-file=tls.key="$1.key" --from-file=ca.crt=ca.crt |
    kubectl apply --server-side --filename -
}

# A folder of another installation would give its certificates to this one's Secrets, and this one's to that fleet.
owner=$namespace/$installation
if [[ -e installation ]]; then
  owner=$(< installation)
elif [[ -e ca.crt ]]; then
  owner=xds-ingress/xds-ingress # of a version that knew no other
fi
if [[ $owner != "$namespace/$installation" ]]; then
  printf '%s has the authority of %s, and not of %s/%s: give each installation a folder of its own\n' \
    "$folder" "$owner" "$namespace" "$installation" >&2
  exit 1
fi
printf '%s/%s\n' "$namespace" "$installation" > installation

if [[ ! -e ca.crt ]]; then
  key ca
  openssl req -x509 -new -key ca.key -subj /CN=xds-ingress -days 3650 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
fi
# The name that proxies and replicas verify, and the Service that they ask; a client of other replicas, too.
certificate server serverAuth,clientAuth "$name-server$suffix" "$installation.$namespace.svc"
certificate client clientAuth "$installation" # the fleet's --node-cluster
certificate operator clientAuth xds-operator  # the --tls-operators of people, for kubectl xds
for each in server client operator; do secret "$each"; done

#!/bin/sh
# Makes the test certificates beside this script, valid for 100 years: two servers for localhost, each signed by its own
# authority, and one client signed by the first. The keys guard nothing; they are checked in so that tests need no openssl.
set -eu
cd "$(dirname "$0")"

authority() { # name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=Moorline test CA $1" \
    -keyout "$1-ca.key" -out "$1-ca.crt"
}

issue() { # name authority extensions
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  echo "$3" | openssl x509 -req -in "$1.csr" -CA "$2-ca.crt" -CAkey "$2-ca.key" -CAcreateserial -days 36500 \
    -extfile /dev/stdin -out "$1.crt"
}

authority first
authority second
issue first-server first "subjectAltName=DNS:localhost,IP:127.0.0.1"
issue second-server second "subjectAltName=DNS:localhost,IP:127.0.0.1"
issue first-client first "extendedKeyUsage=clientAuth"
rm -f ./*.csr ./*.srl first-ca.key second-ca.key

#!/bin/sh
# How the certificates beside this file were made: what rcgen cannot make, valid for a hundred years.
# One key (leaf.key, P-256) serves all leaves; each authority's own key is thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
names="subjectAltName=IP:127.0.0.1,DNS:localhost"
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out leaf.key
openssl req -new -key leaf.key -subj "/CN=api" -out "$work/leaf.csr"

# authority NAME KEY DIGEST: NAME-ca.pem, and NAME.pem that it signs with DIGEST.
authority() {
    openssl req -x509 -new -key "$2" "-$3" -days 36500 -subj "/CN=$1 authority" -out "$1-ca.pem"
    printf '%s\nextendedKeyUsage=serverAuth\n' "$names" >"$work/ext"
    openssl x509 -req -in "$work/leaf.csr" -CA "$1-ca.pem" -CAkey "$2" -set_serial 2 "-$3" -days 36500 \
        -extfile "$work/ext" -out "$1.pem" 2>/dev/null
}

openssl ecparam -name prime256v1 -genkey -noout -out "$work/p256"
openssl ecparam -name secp521r1 -genkey -noout -out "$work/p521"
openssl genrsa -out "$work/rsa1024" 1024 2>/dev/null
openssl genrsa -3 -out "$work/e3" 2048 2>/dev/null
authority sha512 "$work/p256" sha512
authority p521 "$work/p521" sha512
authority rsa1024 "$work/rsa1024" sha256
authority e3 "$work/e3" sha256
authority sha1 "$work/p256" sha1

# A server's own key that is too short.
openssl req -x509 -new -key "$work/rsa1024" -sha256 -days 36500 -subj "/CN=short" -addext "$names" -out short.pem

# Keys under the label of another form: the same RSA key as PKCS#1 and PKCS#8, the same P-256 key as SEC1.
openssl genrsa -out "$work/rsa" 2048 2>/dev/null
openssl req -x509 -new -key "$work/rsa" -days 36500 -subj "/CN=me" -out rsa.pem
openssl rsa -in "$work/rsa" -traditional -out rsa-pkcs1.key 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in "$work/rsa" -out rsa-pkcs8.key
openssl req -x509 -new -key leaf.key -days 36500 -subj "/CN=me" -out ec.pem
openssl ec -in leaf.key -out ec-sec1.key 2>/dev/null
openssl pkcs8 -topk8 -in leaf.key -passout pass:x -out locked.key
openssl req -x509 -new -key "$work/p521" -days 36500 -subj "/CN=me" -out p521-client.pem
openssl pkcs8 -topk8 -nocrypt -in "$work/p521" -out p521-client.key
rm -r "$work"

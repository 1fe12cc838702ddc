#!/usr/bin/env bash
# Certificates for one test run: certificates.sh DIR makes ca.pem, and localhost.pem with localhost.key signed
# by it, valid from yesterday on: for a server, and for a node of a cluster, which is a client of the others too; and
# elsewhere.pem, as good but for the name. The key of the authority is not kept. DOORCODE_TEST_FAKETIME is libfaketime.
set -euo pipefail

# Some programs here live in the past. OpenSSL 3.0 can date a certificate back in no other way.
yesterday() { LD_PRELOAD=$DOORCODE_TEST_FAKETIME FAKETIME=-1d "$@"; }

dir=$1
mkdir -p "$dir"
cd "$dir"
umask 077
new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
{
    yesterday openssl req -x509 "${new_key[@]}" -keyout ca.key -out ca.pem -days 3 -subj "/CN=Test authority" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign"
    for name in localhost elsewhere; do
        openssl req "${new_key[@]}" -keyout "$name.key" -out "$name.csr" -subj "/CN=$name"
        printf '%s\n' "subjectAltName=DNS:$name" "basicConstraints=critical,CA:FALSE" \
            "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" >"$name.ext"
        yesterday openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 \
            -extfile "$name.ext" -out "$name.pem"
    done
} >openssl.log 2>&1 || {
    cat openssl.log >&2
    exit 1
}
rm -f ca.key ca.srl ./*.csr ./*.ext openssl.log

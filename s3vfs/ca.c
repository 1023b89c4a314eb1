#include "s3vfs/ca.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static s3e_rc named(
    const char **path, const char *by, const char *value, struct s3e_err *err)
{
    if (access(value, R_OK) != 0) {
        return s3e_fail(err, S3E_E_UNREACHABLE,
            "cannot read the file of trusted CAs %s that %s names", value, by);
    }
    *path = value;
    return S3E_OK;
}

s3e_rc s3e_ca_path(const char **path, const char *asked, struct s3e_err *err)
{
    static const char *const names[] = {
        "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem"};
    if (asked && *asked) {
        return named(path, "ca_bundle", asked, err);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            return named(path, names[i], value, err);
        }
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], R_OK) == 0) {
            *path = places[i];
            return S3E_OK;
        }
    }
    return s3e_fail(err, S3E_E_UNREACHABLE,
        "no file of trusted CAs: none of %s, %s, %s, %s, %s is there; install "
        "ca-certificates, or name one by AWS_CA_BUNDLE or "
        "s3_config('ca_bundle', ...)",
        places[0], places[1], places[2], places[3], places[4]);
}

#include "s3vfs/digest.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

s3e_rc s3e_sha256(
    uint8_t out[S3E_SHA256_LEN], struct s3e_span data, struct s3e_err *err)
{
    unsigned len = 0;
    if (!EVP_Digest(data.ptr, data.len, out, &len, EVP_sha256(), NULL) ||
        len != S3E_SHA256_LEN) {
        return s3e_fail(err, S3E_E_CRYPTO, "OpenSSL: SHA-256 failed");
    }
    return S3E_OK;
}

s3e_rc s3e_hmac_sha256(uint8_t out[S3E_SHA256_LEN], struct s3e_span key,
    struct s3e_span data, struct s3e_err *err)
{
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    s3e_rc rc = S3E_OK;
    if (key.len > INT_MAX ||
        !HMAC(EVP_sha256(), key.ptr, (int)key.len, data.ptr, data.len, md,
            &len) ||
        len != S3E_SHA256_LEN) {
        rc = s3e_fail(err, S3E_E_CRYPTO, "OpenSSL: HMAC-SHA-256 failed");
    } else {
        memcpy(out, md, S3E_SHA256_LEN);
    }
    s3e_wipe(md, sizeof md);
    return rc;
}

void s3e_sha256_hex(
    char out[S3E_SHA256_HEX], const uint8_t digest[S3E_SHA256_LEN])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < S3E_SHA256_LEN; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[S3E_SHA256_HEX - 1] = '\0';
}

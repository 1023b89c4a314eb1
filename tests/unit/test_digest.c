#include "s3vfs/digest.h"
#include "tests/harness.h"

static void sha256_agrees_with_fips_180_4(void)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb924"
             "27ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223"
                "b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        uint8_t digest[S3E_SHA256_LEN];
        char hex[S3E_SHA256_HEX];
        CHECK_RC(s3e_sha256(digest, s3e_span_str(cases[i].text), &err), S3E_OK,
            &err);
        s3e_sha256_hex(hex, digest);
        CHECK_STR(hex, cases[i].hex);
    }
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static void hmac_agrees_with_rfc_4231(void)
{
    uint8_t ones[20], long_key[131];
    memset(ones, 0x0b, sizeof ones);
    memset(long_key, 0xaa, sizeof long_key);
    const struct {
        struct s3e_span key, data;
        const char *hex;
    } cases[] = {
        {{ones, sizeof ones}, S3E_LIT("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b"
            "881dc200c9833da726e9376c2e32cff7"},
        {S3E_LIT("Jefe"), S3E_LIT("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c7"
            "5a003f089d2739839dec58b964ec3843"},
        {{long_key, sizeof long_key},
            S3E_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f"
            "8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        uint8_t digest[S3E_SHA256_LEN];
        char hex[S3E_SHA256_HEX];
        CHECK_RC(s3e_hmac_sha256(digest, cases[i].key, cases[i].data, &err),
            S3E_OK, &err);
        s3e_sha256_hex(hex, digest);
        CHECK_STR(hex, cases[i].hex);
    }
}

int main(void)
{
    sha256_agrees_with_fips_180_4();
    hmac_agrees_with_rfc_4231();
    return 0;
}

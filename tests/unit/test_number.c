#include "s3vfs/number.h"
#include "tests/harness.h"

int main(void)
{
    static const struct {
        const char *text;
        int ms; /* 0: refused */
    } seconds[] = {
        {"1", 1000},
        {"3.1", 3100},
        {"0.001", 1},
        {"0.05", 50},
        {"3600", 3600000},
        {"3600.5", 0},
        {"0", 0},
        {"0.000", 0},
        {"1.2345", 0},
        {"-1", 0},
        {"1,5", 0},
        {"1.", 0},
        {".5", 0},
        {"1e3", 0},
        {" 1", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        int ms = 0;
        in_case(seconds[i].text);
        CHECK(s3e_number_seconds(&ms, s3e_span_str(seconds[i].text)) ==
              (seconds[i].ms > 0));
        CHECK(ms == seconds[i].ms);
    }
    in_case(NULL);

    unsigned u = 7;
    CHECK(s3e_number_uint(&u, S3E_LIT("20"), 1, 20) && u == 20);
    CHECK(!s3e_number_uint(&u, S3E_LIT("21"), 1, 20) && u == 20);
    CHECK(!s3e_number_uint(&u, S3E_LIT("0"), 1, 20));
    CHECK(!s3e_number_uint(&u, S3E_LIT("4294967297"), 1, 20));
    CHECK(!s3e_number_uint(&u, S3E_LIT("+1"), 1, 20));
    CHECK(!s3e_number_uint(&u, S3E_LIT(""), 0, 20));

    bool b = false;
    CHECK(s3e_number_bool(&b, S3E_LIT("TRUE")) && b);
    CHECK(s3e_number_bool(&b, S3E_LIT("0")) && !b);
    CHECK(s3e_number_bool(&b, S3E_LIT("1")) && b);
    CHECK(s3e_number_bool(&b, S3E_LIT("false")) && !b);
    CHECK(!s3e_number_bool(&b, S3E_LIT("yes")) && !b);
    CHECK(!s3e_number_bool(&b, S3E_LIT("")));
    return 0;
}

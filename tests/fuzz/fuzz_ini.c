/* A credentials file: it reads or a sentence names a line, and no sentence
 * shows what the file holds. */
#include "s3vfs/ini.h"
#include "tests/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_value(const struct s3e_ini *ini, const char *section,
    const char *group, const char *key)
{
    const struct s3e_span value =
        s3e_ini_get(ini, s3e_span_str(section), group, key);
    if (value.ptr) {
        const uint8_t *text = (const uint8_t *)ini->text;
        CHECK(s3e_ini_has_section(ini, s3e_span_str(section)));
        CHECK(value.ptr >= text);
        CHECK(value.ptr + value.len <= text + strlen(ini->text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct s3e_err err = {.msg = ""};
    struct s3e_ini ini;
    if (s3e_ini_parse(&ini, "f", (struct s3e_span){data, len}, &err) ==
        S3E_OK) {
        check_value(&ini, "default", "", "aws_access_key_id");
        check_value(&ini, "default", "s3", "addressing_style");
        check_value(&ini, "profile a", "", "region");
    } else {
        CHECK(s3e_span_starts(s3e_span_str(err.msg), S3E_LIT("f")));
        CHECK(strlen(err.msg) < 80);
    }
    s3e_ini_deinit(&ini);
    return 0;
}

#include "s3vfs/address.h"

#include "s3vfs/uri.h"

bool s3e_region_check(struct s3e_span region)
{
    for (size_t i = 0; i < region.len; i++) {
        const uint8_t c = region.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return region.len > 0 && region.len < S3E_REGION_MAX;
}

/* An endpoint in its parts. */
struct endpoint {
    bool tls;
    struct s3e_span host, base; /* base: a path before the bucket's */
};

/* AWS's partitions, by what their regions' names begin with. */
static struct s3e_span dns_suffix(const char *region)
{
    static const struct {
        const char *prefix, *suffix;
    } table[] = {{"cn-", "amazonaws.com.cn"}, {"us-isob-", "sc2s.sgov.gov"},
        {"us-iso-", "c2s.ic.gov"}, {"", "amazonaws.com"}};
    size_t i = 0;
    while (strncmp(region, table[i].prefix, strlen(table[i].prefix)) != 0) {
        i++;
    }
    return s3e_span_str(table[i].suffix);
}

static bool cut_end(struct s3e_span *s, struct s3e_span end)
{
    if (s->len < end.len ||
        !s3e_span_eq(s3e_span_from(*s, s->len - end.len), end)) {
        return false;
    }
    s->len -= end.len;
    return true;
}

/* A user would be a secret in a message; a query or fragment cannot stay. */
static bool is_plain(struct s3e_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f ||
            strchr("@?#\\", text.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool split_endpoint(struct endpoint *out, const char *url)
{
    struct s3e_span rest = s3e_span_str(url);
    out->tls = s3e_span_starts(rest, S3E_LIT("https://"));
    if (!out->tls && !s3e_span_starts(rest, S3E_LIT("http://"))) {
        return false;
    }
    rest = s3e_span_from(rest, out->tls ? 8 : 7);
    const size_t host_len = strcspn((const char *)rest.ptr, "/");
    out->host = (struct s3e_span){rest.ptr, host_len};
    out->base = s3e_span_from(rest, host_len);
    while (cut_end(&out->base, S3E_LIT("/"))) {
    }
    (void)cut_end(&out->host, out->tls ? S3E_LIT(":443") : S3E_LIT(":80"));
    return out->host.len > 0 && is_plain(rest);
}

static bool is_virtual(const struct s3e_address_args *args, bool tls)
{
    if (strcmp(args->style, "auto") != 0) {
        return strcmp(args->style, "virtual") == 0;
    }
    return !args->endpoint_url && !(tls && strchr(args->bucket, '.'));
}

static void add_host(struct s3e_buf *url, const struct s3e_address_args *args,
    const struct endpoint *endpoint)
{
    if (endpoint->host.len) {
        s3e_buf_add(url, endpoint->host);
        return;
    }
    s3e_buf_add_str(url, "s3.");
    s3e_buf_add_str(url, args->region);
    s3e_buf_add_byte(url, '.');
    s3e_buf_add(url, dns_suffix(args->region));
}

s3e_rc s3e_address_make(struct s3e_address *out,
    const struct s3e_address_args *args, struct s3e_err *err)
{
    struct endpoint endpoint = {.tls = true};
    if (args->endpoint_url && !split_endpoint(&endpoint, args->endpoint_url)) {
        return s3e_fail(err, S3E_E_INPUT,
            "endpoint_url must be like https://host:port, with no user in it");
    }
    if (!s3e_region_check(s3e_span_str(args->region))) {
        return s3e_fail(err, S3E_E_INPUT, "region '%.60s' is not a region name",
            args->region);
    }
    const bool in_host = *args->bucket && is_virtual(args, endpoint.tls);
    struct s3e_buf *url = &out->url;
    s3e_buf_clear(url);
    s3e_buf_add_str(url, endpoint.tls ? "https://" : "http://");
    out->host_at = url->len;
    if (in_host) {
        s3e_buf_add_str(url, args->bucket);
        s3e_buf_add_byte(url, '.');
    }
    add_host(url, args, &endpoint);
    out->path_at = url->len;
    s3e_buf_add(url, endpoint.base);
    s3e_buf_add_byte(url, '/');
    if (*args->bucket && !in_host) {
        s3e_buf_add_str(url, args->bucket);
        if (args->key.len) {
            s3e_buf_add_byte(url, '/');
        }
    }
    s3e_uri_encode(url, args->key, true);
    return s3e_buf_check(url, "URL", err);
}

struct s3e_span s3e_address_host(const struct s3e_address *address)
{
    return (struct s3e_span){address->url.ptr + address->host_at,
        address->path_at - address->host_at};
}

struct s3e_span s3e_address_path(const struct s3e_address *address)
{
    return s3e_span_from(s3e_buf_span(&address->url), address->path_at);
}

/* s3vfs/glob.c - matches keys against globs by walking every alternative at
 * once: the set of places in the glob where a match of the text so far may
 * stand. Each character of the text costs one pass over the glob. */
#include "s3vfs/uri.h"

/* The places of a glob: place p is before byte p, the last is behind the end.
 * link[p] is 0 for a plain byte; for '[' the place behind its ']'; for '{' and
 * the ',' of a group the next ',' or '}' of that group; for its '}' the place
 * behind it; for both stars of a "**" the second, where what it has taken goes
 * round. */
struct places {
    uint16_t link[S3E_TARGET_MAX + 1];
};

/* The place behind the class that begins at `at`, 0 where it is not closed. A
 * ']' that comes first is a member. */
static size_t class_end(struct s3e_span glob, size_t at)
{
    size_t i = at + 1;
    if (i < glob.len && (glob.ptr[i] == '!' || glob.ptr[i] == '^')) {
        i++;
    }
    for (i++; i < glob.len; i++) {
        if (glob.ptr[i] == ']') {
            return i + 1;
        }
    }
    return 0;
}

/* Fills `out`; false where something opens and never closes. While a group is
 * open, the link of its last separator holds the last separator of the group
 * around it, plus one. */
static bool link_places(struct places *out, struct s3e_span glob)
{
    uint16_t *link = out->link;
    size_t open = 0; /* last separator of the innermost group, plus one */
    memset(link, 0, (glob.len + 1) * sizeof *link);
    for (size_t i = 0; i < glob.len; i++) {
        const uint8_t c = glob.ptr[i];
        if (c == '[') {
            const size_t end = class_end(glob, i);
            if (!end) {
                return false;
            }
            link[i] = (uint16_t)end;
            i = end - 1;
        } else if (c == '*' && i + 1 < glob.len && glob.ptr[i + 1] == '*') {
            link[i] = link[i + 1] = (uint16_t)(i + 1);
            i++;
        } else if (c == '{') {
            link[i] = (uint16_t)open;
            open = i + 1;
        } else if (open && (c == ',' || c == '}')) {
            const uint16_t around = link[open - 1];
            link[open - 1] = (uint16_t)i;
            link[i] = c == ',' ? around : (uint16_t)(i + 1);
            open = c == ',' ? i + 1 : around;
        }
    }
    return open == 0;
}

s3e_rc s3e_glob_check(struct s3e_span glob, struct s3e_err *err)
{
    struct places places;
    if (glob.len > S3E_TARGET_MAX) {
        return s3e_fail(err, S3E_E_INPUT,
            "a pattern of %zu bytes; at most %d are taken", glob.len,
            S3E_TARGET_MAX);
    }
    if (!link_places(&places, glob)) {
        return s3e_fail(err, S3E_E_INPUT,
            "pattern '%.*s': a [ or { that is never closed; a literal one is "
            "written [[] or [{]",
            S3E_SPAN_ARG(glob));
    }
    return S3E_OK;
}

/* Takes one UTF-8 character off the front of `s`, or one byte that begins
 * none; lengths alone are checked, since equal bytes give equal values. */
static uint32_t next_char(struct s3e_span *s)
{
    const uint8_t c = s->ptr[0];
    const size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t value = c;
    size_t i = 1;
    while (i < len && i < s->len && (s->ptr[i] & 0xc0) == 0x80) {
        value = value << 8 | s->ptr[i];
        i++;
    }
    if (i < len) { /* cut short: the byte alone */
        i = 1;
        value = c;
    }
    *s = s3e_span_from(*s, i);
    return value;
}

/* Whether `c` is in the class whose bytes, '[' and ']' included, are given. */
static bool class_has(struct s3e_span class, uint32_t c)
{
    struct s3e_span members = {class.ptr + 1, class.len - 2};
    const bool negated = members.ptr[0] == '!' || members.ptr[0] == '^';
    bool found = false;
    if (negated) {
        members = s3e_span_from(members, 1);
    }
    while (members.len) {
        const uint32_t low = next_char(&members);
        uint32_t high = low;
        if (members.len >= 2 && members.ptr[0] == '-') {
            members = s3e_span_from(members, 1);
            high = next_char(&members);
        }
        found = found || (c >= low && c <= high);
    }
    return c != '/' && found != negated;
}

/* Whether the "**" that begins at `p` is a whole part of the path, so that with
 * its '/' it may stand for nothing. */
static bool spans_parts(struct s3e_span glob, size_t p)
{
    return p + 2 < glob.len && glob.ptr[p + 2] == '/' &&
           (p == 0 || glob.ptr[p - 1] == '/');
}

/* Adds the places that can be reached without taking a character. All of them
 * lie ahead, so one pass finds them. */
static void spread(
    uint8_t *at, struct s3e_span glob, const struct places *places)
{
    const uint16_t *link = places->link;
    for (size_t p = 0; p < glob.len; p++) {
        const uint8_t c = glob.ptr[p];
        if (!at[p]) {
            continue;
        }
        if (c == '*') {
            at[p + 1] = 1;
            if (link[p] == p + 1 && spans_parts(glob, p)) {
                at[p + 3] = 1;
            }
        } else if (c == '{') {
            for (size_t s = p; glob.ptr[s] != '}'; s = link[s]) {
                at[s + 1] = 1;
            }
        } else if ((c == ',' || c == '}') && link[p]) {
            at[link[p]] = 1;
        }
    }
}

/* The places behind character `c`, from those in `at`. */
static void step(uint8_t *next, const uint8_t *at, struct s3e_span glob,
    const struct places *places, uint32_t c)
{
    for (size_t p = 0; p < glob.len; p++) {
        if (!at[p]) {
            continue;
        }
        if (glob.ptr[p] == '*' && places->link[p]) {
            next[places->link[p]] = 1;
        } else if (glob.ptr[p] == '*') {
            next[p] |= c != '/';
        } else if (glob.ptr[p] == '?') {
            next[p + 1] |= c != '/';
        } else if (glob.ptr[p] == '[') {
            const size_t end = places->link[p];
            const struct s3e_span class = {glob.ptr + p, end - p};
            next[end] |= class_has(class, c);
        } else if (!places->link[p]) {
            struct s3e_span rest = s3e_span_from(glob, p);
            const bool same = next_char(&rest) == c;
            next[glob.len - rest.len] |= same;
        }
    }
}

bool s3e_glob_match(struct s3e_span glob, struct s3e_span text)
{
    struct places places;
    uint8_t sets[2][S3E_TARGET_MAX + 1];
    uint8_t *at = sets[0], *next = sets[1];
    if (glob.len > S3E_TARGET_MAX || !link_places(&places, glob)) {
        return false;
    }
    memset(at, 0, glob.len + 1);
    at[0] = 1;
    spread(at, glob, &places);
    while (text.len) {
        memset(next, 0, glob.len + 1);
        step(next, at, glob, &places, next_char(&text));
        spread(next, glob, &places);
        uint8_t *swap = at;
        at = next;
        next = swap;
    }
    return at[glob.len] != 0;
}

#include "nn/jpeg.h"

#include <assert.h>
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    ROWS = 16, /* asked of libjpeg at once; it gives one MCU row at most */
    MARKER_MAX = 65533, /* bytes of a marker segment */
    EXIF_MARKER = JPEG_APP0 + 1,
    TAG_ORIENTATION = 0x0112
};

/* libjpeg's errors leave through `escape`; everything it wants lives here. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr handler;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    s3e_rc rc;
    struct s3e_err *err;
    bool wants_exif;
    bool has_all; /* every pixel is decoded: what follows may be missing */
    uint8_t *px;  /* where decode writes */
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void fail_now(j_common_ptr jpeg, s3e_rc rc, const char *why)
{
    struct reader *r = reader_of(jpeg);
    r->rc = s3e_fail(r->err, rc, "not a JPEG we can decode: %s", why);
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);
    char why[JMSG_LENGTH_MAX];
    switch (jpeg->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        r->rc = s3e_fail(r->err, S3E_E_NOMEM, "no memory to decode a JPEG");
        break;
    case JERR_NO_BACKING_STORE: /* its answer to max_memory_to_use */
        r->rc = s3e_fail(r->err, S3E_E_LIMIT,
            "a JPEG of %ux%u pixels in several scans needs more than %d MiB "
            "to decode; store it as baseline",
            r->jpeg.image_width, r->jpeg.image_height,
            S3E_JPEG_COEFFICIENTS_MAX >> 20);
        break;
    default:
        jpeg->err->format_message(jpeg, why);
        fail_now(jpeg, S3E_E_FORMAT, why);
    }
    longjmp(r->escape, 1);
}

/* Pillow lets warnings pass, and so do we. */
static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void no_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void start_source(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean no_more_bytes(j_decompress_ptr jpeg)
{
    struct reader *r = jpeg->client_data;
    if (r->has_all) {
        r->rc = S3E_OK;
        longjmp(r->escape, 1);
    }
    fail_now((j_common_ptr)jpeg, S3E_E_FORMAT, "the file is cut short");
    return FALSE;
}

static void skip_bytes(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *source = jpeg->src;
    if (count <= 0) {
        return;
    }
    if ((size_t)count > source->bytes_in_buffer) {
        (void)no_more_bytes(jpeg);
    }
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);
    if (r->jpeg.input_scan_number > S3E_JPEG_SCANS_MAX) {
        r->rc = s3e_fail(r->err, S3E_E_LIMIT,
            "a JPEG in more than %d scans; store it anew", S3E_JPEG_SCANS_MAX);
        longjmp(r->escape, 1);
    }
}

static void start(struct reader *r, struct s3e_span bytes)
{
    static const struct jpeg_source_mgr source = {
        .init_source = start_source,
        .fill_input_buffer = no_more_bytes,
        .skip_input_data = skip_bytes,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = start_source,
    };
    r->source = source;
    r->source.next_input_byte = bytes.ptr;
    r->source.bytes_in_buffer = bytes.len;
    r->jpeg.client_data = r;
    r->jpeg.err = jpeg_std_error(&r->handler);
    r->handler.error_exit = on_error;
    r->handler.emit_message = on_message;
    r->handler.output_message = no_output;
}

static void read_header(struct reader *r)
{
    jpeg_create_decompress(&r->jpeg); /* keeps err and client_data */
    r->jpeg.src = &r->source;
    r->jpeg.mem->max_memory_to_use = S3E_JPEG_COEFFICIENTS_MAX;
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    if (r->wants_exif) {
        jpeg_save_markers(&r->jpeg, EXIF_MARKER, MARKER_MAX);
    }
    (void)jpeg_read_header(&r->jpeg, TRUE);
}

static void check_kind(struct reader *r)
{
    const int num = r->jpeg.num_components;
    char why[64];
    if (r->jpeg.data_precision != BITS_IN_JSAMPLE) {
        (void)snprintf(why, sizeof why, "%d bits a sample; 8 is read",
            r->jpeg.data_precision);
        fail_now((j_common_ptr)&r->jpeg, S3E_E_FORMAT, why);
    }
    if (num != 1 && num != 3 && num != 4) {
        (void)snprintf(
            why, sizeof why, "%d components; 1, 3 or 4 are read", num);
        fail_now((j_common_ptr)&r->jpeg, S3E_E_FORMAT, why);
    }
}

/* a * b / 255, rounded, for 0..255. */
static uint32_t share(uint32_t a, uint32_t b)
{
    const uint32_t t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

/* Inverted CMYK: 255 is no ink. Each ink is taken from what black leaves. */
static void rgb_of_cmyk(uint8_t *px, const uint8_t *cmyk, size_t width)
{
    for (size_t x = 0; x < width; x++) {
        const uint32_t light = cmyk[4 * x + 3];
        for (size_t c = 0; c < 3; c++) {
            const uint32_t ink = 255U - cmyk[4 * x + c];
            px[3 * x + c] = (uint8_t)(light - share(ink, light));
        }
    }
}

static void decode_rgb(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const size_t stride = 3 * (size_t)jpeg->output_width;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[ROWS];
        const JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
        const JDIMENSION num = left < ROWS ? left : ROWS;
        for (JDIMENSION i = 0; i < num; i++) {
            rows[i] = r->px + stride * (jpeg->output_scanline + i);
        }
        (void)jpeg_read_scanlines(jpeg, rows, num);
    }
}

static void decode_cmyk(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const size_t width = jpeg->output_width;
    JSAMPARRAY row = jpeg->mem->alloc_sarray(
        (j_common_ptr)jpeg, JPOOL_IMAGE, 4 * jpeg->output_width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *px = r->px + 3 * width * jpeg->output_scanline;
        (void)jpeg_read_scanlines(jpeg, row, 1);
        rgb_of_cmyk(px, *row, width);
    }
}

static void decode_pixels(struct reader *r)
{
    const bool is_cmyk = r->jpeg.num_components == 4;
    r->jpeg.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    (void)jpeg_start_decompress(&r->jpeg);
    if (is_cmyk) {
        decode_cmyk(r);
    } else {
        decode_rgb(r);
    }
    /* Reads on to the end-of-image marker: what stands before it may be wrong.
     */
    r->has_all = true;
    (void)jpeg_finish_decompress(&r->jpeg);
}

/* Runs `bytes` through the header and, where r->px is set, through the rest.
 * r->jpeg stays for the caller to look at and destroy. */
static s3e_rc read_jpeg(
    struct reader *r, struct s3e_span bytes, struct s3e_err *err)
{
    r->err = err;
    start(r, bytes);
    if (setjmp(r->escape)) {
        return r->rc;
    }
    read_header(r);
    check_kind(r);
    if (r->px) {
        decode_pixels(r);
    }
    return S3E_OK;
}

/* A TIFF file's integers, in its byte order; 0 beyond its end. */
struct tiff {
    struct s3e_span bytes;
    bool little;
};

static uint32_t tiff_u16(const struct tiff *t, size_t at)
{
    if (at > t->bytes.len || t->bytes.len - at < 2) {
        return 0;
    }
    const uint8_t *p = t->bytes.ptr + at;
    return t->little ? p[0] | (uint32_t)p[1] << 8 : (uint32_t)p[0] << 8 | p[1];
}

static uint32_t tiff_u32(const struct tiff *t, size_t at)
{
    const uint32_t first = tiff_u16(t, at), second = tiff_u16(t, at + 2);
    return t->little ? first | second << 16 : first << 16 | second;
}

/* The orientation in the first directory of an Exif segment (Exif 2.3, 4.6.4:
 * tag 0x0112, one SHORT); 1 where there is none that makes sense. */
static int exif_orientation(struct s3e_span exif)
{
    const struct tiff t = {
        .bytes = exif,
        .little = s3e_span_starts(exif, S3E_LIT("II")),
    };
    if (!t.little && !s3e_span_starts(exif, S3E_LIT("MM"))) {
        return 1;
    }
    const size_t directory = tiff_u32(&t, 4);
    const size_t num = tiff_u16(&t, directory);
    for (size_t i = 0; i < num; i++) {
        const size_t entry = directory + 2 + 12 * i;
        if (tiff_u16(&t, entry) == TAG_ORIENTATION) {
            const uint32_t value = tiff_u16(&t, entry + 8);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    const struct s3e_span head = S3E_LIT("Exif\0\0");
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next) {
        const struct s3e_span data = {m->data, m->data_length};
        if (s3e_span_starts(data, head)) {
            return exif_orientation(s3e_span_from(data, head.len));
        }
    }
    return 1;
}

static bool sniff(struct s3e_span bytes)
{
    return s3e_span_starts(bytes, S3E_LIT("\xff\xd8\xff"));
}

static s3e_rc info(
    struct s3e_image_info *out, struct s3e_span bytes, struct s3e_err *err)
{
    struct reader r = {.wants_exif = true};
    const s3e_rc rc = read_jpeg(&r, bytes, err);
    if (rc == S3E_OK) {
        *out = (struct s3e_image_info){
            .format = s3e_jpeg_format.name,
            .height = r.jpeg.image_height,
            .width = r.jpeg.image_width,
            .channels = r.jpeg.num_components,
            .orientation = find_orientation(&r.jpeg),
        };
    }
    jpeg_destroy_decompress(&r.jpeg);
    return rc;
}

static s3e_rc decode(uint8_t *px, const struct s3e_image_info *info,
    struct s3e_span bytes, struct s3e_err *err)
{
    struct reader r = {.px = px};
    const s3e_rc rc = read_jpeg(&r, bytes, err);
    assert(rc || (r.jpeg.output_width == info->width &&
                     r.jpeg.output_height == info->height));
    (void)info;
    jpeg_destroy_decompress(&r.jpeg);
    return rc;
}

const struct s3e_image_format s3e_jpeg_format = {
    .name = "jpeg",
    .sniff = sniff,
    .info = info,
    .decode = decode,
};

#define TEXT_OF(token)  #token
#define VALUE_OF(macro) TEXT_OF(macro)

const char *s3e_jpeg_version(void)
{
#if defined(LIBJPEG_TURBO_VERSION)
    return "libjpeg-turbo " VALUE_OF(LIBJPEG_TURBO_VERSION);
#else
    return "libjpeg " VALUE_OF(JPEG_LIB_VERSION);
#endif
}

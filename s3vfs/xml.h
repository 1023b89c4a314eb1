/* s3vfs/xml.h - the XML documents that S3 answers with. Nothing of XML but
 * elements and text is taken: a DOCTYPE, and so an entity of its own, ends the
 * reading.
 * Limits: 64 MiB a document, 16 elements deep, 16 KiB of text in an element.
 * Source: Amazon S3 API Reference, ListObjectsV2, ListBuckets, Error
 * Responses. */
#ifndef S3E_S3VFS_XML_H
#define S3E_S3VFS_XML_H

#include "s3vfs/page.h"

/* Reads a ListBucketResult. Keys and folders are decoded where the answer says
 * EncodingType url; ETags lose their quotes.
 *
 * out     one reference, for s3e_page_unref.
 * Errors  S3E_E_FORMAT (also for another document, an <Error> with it, and for
 *         an answer that goes on but does not say where), S3E_E_LIMIT,
 *         S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_xml_list(
    struct s3e_page **out, struct s3e_span xml, struct s3e_err *err);

/* Reads a ListAllMyBucketsResult, as store.h says. Errors, thread as above. */
S3E_MUST_CHECK s3e_rc s3e_xml_buckets(
    struct s3e_page **out, struct s3e_span xml, struct s3e_err *err);

/* What an <Error> says, cut to printable text; "" where it says nothing. What
 * S3 signed and the like stay unread. */
struct s3e_xml_error {
    char code[48], message[256], region[64], request_id[64], endpoint[256];
};

/* Reads an <Error>. On failure `out` is all empty: a proxy's HTML is no
 * surprise. Errors, thread as above. */
S3E_MUST_CHECK s3e_rc s3e_xml_error(
    struct s3e_xml_error *out, struct s3e_span xml, struct s3e_err *err);

/* "expat_2.5.0", for s3embed_debug(). */
const char *s3e_xml_version(void);

#endif

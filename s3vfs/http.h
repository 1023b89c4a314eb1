/* s3vfs/http.h - the transport over libcurl: one multi handle, one thread that
 * drives it, both made at the first exchange. */
#ifndef S3E_S3VFS_HTTP_H
#define S3E_S3VFS_HTTP_H

#include "s3vfs/transport.h"

/* The process's transport. After fork, the child finds a fresh one; the
 * parent's exchanges never end there. Thread any. */
struct s3e_transport *s3e_http(void);

/* Ends every exchange (S3E_E_STOPPED), joins the thread, closes connections.
 * The next exchange starts anew. Called when the last connection closes and at
 * exit. Not from a `done` callback. */
void s3e_http_shutdown(void);

/* Versions of libcurl and its TLS library, and the CA file in use, as text for
 * s3embed_debug(). */
void s3e_http_describe(char *out, size_t room);

#endif

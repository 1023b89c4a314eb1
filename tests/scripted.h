/* tests/scripted.h - a transport that plays a script: a bucket in memory which
 * answers as S3 does, and the faults that S3 must never do. */
#ifndef S3E_TESTS_SCRIPTED_H
#define S3E_TESTS_SCRIPTED_H

#include "base/sync.h"
#include "s3vfs/transport.h"

/* What request `fault_at` (and, `for_ever`, all after it) meets. */
enum fault {
    FAULT_NONE,
    FAULT_REFUSED,      /* no connection */
    FAULT_TIMED_OUT,    /* no answer */
    FAULT_RESET_HEADER, /* broken off in the header */
    FAULT_RESET_BODY,   /* in the body */
    FAULT_TRUNCATED,    /* shorter than it said */
    FAULT_TOO_LONG,     /* longer than allowed */
    FAULT_500,
    FAULT_503,
    FAULT_REGION,    /* 301: the bucket is in eu-west-3 */
    FAULT_EXPIRED,   /* 403: the credentials are */
    FAULT_DENIED,    /* 403 */
    FAULT_CUT_XML,   /* 200 with half of the body that was due, as if whole */
    FAULT_ERROR_200, /* 200 with an <Error> */
    FAULT_412,
    FAULT_404,
    FAULT_STOPPED, /* the transport shuts down */
    NUM_FAULTS
};
const char *fault_name(enum fault fault);

struct scripted_object {
    const char *key, *body, *etag;
};

struct scripted {
    struct s3e_transport transport; /* first */
    const struct scripted_object *objects;
    size_t num_objects;
    size_t page_keys;   /* a page has no more; 0: 1,000 */
    const char *region; /* the bucket's; requests for others are refused with
                           400, naming it; NULL: any will do */
    bool dumb_head;     /* ... and a HEAD's 400 does not name it */
    enum fault fault;
    unsigned fault_at; /* 1.. */
    bool for_ever;
    int answer_ms; /* >= 0: answers come on a thread of its own, so late; -1:
                      before start returns */
    void (*tamper)(struct scripted *s, struct s3e_exchange *ex); /* or NULL */
    /* What came: guarded by `lock` while a thread answers. */
    unsigned num_requests, num_faults;
    struct s3e_buf log; /* "GET http://...\n" and its headers, "\n" after */
    /* Its own. */
    struct s3e_mutex lock;
    struct s3e_cond changed;
    struct s3e_thread thread;
    struct s3e_exchange *queue[1024];
    size_t num_queued;
    bool ending;
};

/* Fills the zero state in, and starts the thread where answer_ms >= 0. */
void scripted_init(struct scripted *s);
void scripted_deinit(struct scripted *s);

/* Forgets requests and faults met. */
void scripted_again(struct scripted *s);

/* How often `text` stands in the log. */
size_t scripted_count(struct scripted *s, const char *text);

#endif

/* pipeline/fetch.h - the bytes of a window's rows: what to fetch next, its end
 * (s3e_fetch_done of window.h), its early end. Inner to pipeline/. */
#ifndef S3E_PIPELINE_FETCH_H
#define S3E_PIPELINE_FETCH_H

#include "pipeline/slots.h"

/* Begins the fetches that are due, oldest row first: the front row's if it has
 * asked, others as the policy allows. Lets the lock go meanwhile; one thread at
 * a time, others leave it to that one. */
void s3e_fetch_pump_locked(struct s3e_window *window);

/* Ends the fetch of a row that was left, if it is under way, and releases the
 * row. Lets the lock go meanwhile. */
void s3e_fetch_leave_locked(struct s3e_fetch *slot);

/* Forgets the outcome of the front row's fetch, so that it is begun anew. */
void s3e_fetch_forget_locked(struct s3e_fetch *slot);

#endif

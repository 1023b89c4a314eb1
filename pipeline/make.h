/* pipeline/make.h - the vectors of a window's rows: what the window has
 * learned to make, which jobs there are, who does them. Inner to pipeline/. */
#ifndef S3E_PIPELINE_MAKE_H
#define S3E_PIPELINE_MAKE_H

#include "pipeline/slots.h"

/* The window's number for `maker`, learned now if it is new; -1 where the
 * window has learned S3E_MAKERS_MAX others. The reader's, without the lock. */
int s3e_make_learn(struct s3e_window *window, const struct s3e_maker *maker);

/* Tells the pool of the jobs that a fetched row has: what it asked for, or what
 * rows mostly ask for. */
void s3e_make_post_locked(struct s3e_fetch *slot);

/* The front row asks for its vector `own`, or -1: for none. The reader does a
 * job, its own row's first, if one is there that it should do; lets the lock
 * go meanwhile. False: there is none. */
bool s3e_make_help_locked(struct s3e_window *window, int own);

/* The front row is left: withdraws its jobs, learns what it asked for. */
void s3e_make_leave_locked(struct s3e_fetch *slot);

/* Forgets a failed vector of the front row, so that it is made anew. */
void s3e_make_forget_locked(struct s3e_fetch *slot, int own);

/* The window as one of the pool's clients. */
void s3e_make_join_pool(struct s3e_window *window);

#endif

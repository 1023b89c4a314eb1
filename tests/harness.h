/* tests/harness.h - just enough test framework: checks that say where, and
 * the sweep that fails allocation 1, 2, 3... of a body. */
#ifndef S3E_TESTS_HARNESS_H
#define S3E_TESTS_HARNESS_H

#include "base/span.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                            \
 do {                                                                          \
  if (!(cond)) {                                                               \
   check_failed(__FILE__, __LINE__, #cond);                                    \
  }                                                                            \
 } while (0)

/* Both as text: equal, or the test ends and shows them. NULL is not text. */
#define CHECK_STR(got, want) check_str(__FILE__, __LINE__, (got), (want))
#define CHECK_SPAN(got, want)                                                  \
 check_span(__FILE__, __LINE__, (got), s3e_span_str(want))

/* `rc` is `want`, or the test ends and shows the sentence of `err`. */
#define CHECK_RC(rc, want, err) check_rc(__FILE__, __LINE__, (rc), (want), err)

_Noreturn void check_failed(const char *file, int line, const char *what);
void check_str(const char *file, int line, const char *got, const char *want);
void check_span(
    const char *file, int line, struct s3e_span got, struct s3e_span want);
void check_rc(const char *file, int line, s3e_rc got, s3e_rc want,
    const struct s3e_err *err);

/* Names the case under test in the message of a failed check; NULL: none.
 * Borrowed. */
void in_case(const char *name);

/* From here on allocations of base/mem are counted: call it first in main().
 */
void count_allocations(void);

/* Blocks of base/mem that live now. */
long live_allocations(void);

/* Runs `body(ctx)` with allocation 1, 2, 3... failing, until a run meets no
 * failure; once with that one failing, once with it and all after it. A failed
 * run returns S3E_E_NOMEM, or S3E_OK where the body may do without; in either
 * case as many blocks live after it as before. */
void sweep_allocations(s3e_rc (*body)(void *ctx), void *ctx);

/* The file at `path`, which must be there; free(out.ptr) it. */
struct s3e_span read_file(const char *path);

#endif

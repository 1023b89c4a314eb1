/* ext/plan.h - xBestIndex of s3_objects: which constraints its cursor takes,
 * and how that is written into idxStr: three characters an argument of
 * xFilter. */
#ifndef S3E_EXT_PLAN_H
#define S3E_EXT_PLAN_H

#include "ext/sqlite.h"
#include "ext/where.h"

/* What an argument of xFilter is. */
enum s3e_plan_use {
    S3E_PLAN_TARGET,
    S3E_PLAN_OPTIONS,
    S3E_PLAN_LIMIT,
    S3E_PLAN_OFFSET,
    S3E_PLAN_FILTER,
    S3E_PLAN_FILTER_IN /* all values at once: sqlite3_vtab_in_first */
};

struct s3e_plan_term {
    enum s3e_plan_use use;
    enum s3e_column column; /* of a filter, as the rest */
    enum s3e_where_op op;
    bool exact;
};

/* Fills `info`; idxNum is 1 where SQLite relies on the order of keys.
 *
 * bytes   whether the database compares texts as UTF-8 bytes, as S3 does.
 * Returns SQLite's code; a sentence in vtab->zErrMsg with SQLITE_ERROR. */
int s3e_plan_make(sqlite3_vtab *vtab, sqlite3_index_info *info, bool bytes);

/* The i-th argument of xFilter, i < strlen(plan) / 3. */
struct s3e_plan_term s3e_plan_term(const char *plan, int i);

#endif

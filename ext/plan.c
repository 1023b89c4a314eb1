#include "ext/plan.h"

#include "base/buf.h"

/* Of the planner's currency only the relations matter. Keys that are given are
 * little cheaper than a whole listing, because one by one they cost a round
 * trip each: so a join on key reads s3_objects in its outer loop. */
static const double whole_cost = 1e7;
static const double keys_cost = 9e6;
static const double never_cost = 1e18; /* without a target: see below */
static const int64_t whole_rows = 100000;
static const int64_t keys_rows = 25;

struct making {
    sqlite3_index_info *info;
    struct s3e_buf plan;
    int num_args;
    bool bytes;
    bool all;      /* every constraint is the cursor's, and SQLite need not
                      look again */
    bool has_keys; /* key = or IN */
    bool has_target;
    double rows;
};

static int fail(sqlite3_vtab *vtab, const char *message)
{
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("s3_objects: %s", message);
    return SQLITE_ERROR;
}

/* Gives constraint i to xFilter as its next argument. */
static void take(
    struct making *m, int i, const struct s3e_plan_term *term, bool omit)
{
    m->info->aConstraintUsage[i].argvIndex = ++m->num_args;
    m->info->aConstraintUsage[i].omit = omit;
    s3e_buf_add_byte(&m->plan, (uint8_t)('a' + (int)term->use));
    s3e_buf_add_byte(&m->plan, (uint8_t)('a' + (int)term->column));
    s3e_buf_add_byte(
        &m->plan, (uint8_t)('a' + 2 * (int)term->op + (int)term->exact));
}

struct s3e_plan_term s3e_plan_term(const char *plan, int i)
{
    const char *at = plan + 3 * (size_t)i;
    return (struct s3e_plan_term){
        .use = (enum s3e_plan_use)(at[0] - 'a'),
        .column = (enum s3e_column)(at[1] - 'a'),
        .op = (enum s3e_where_op)((at[2] - 'a') / 2),
        .exact = (at[2] - 'a') % 2 == 1,
    };
}

static bool read_op(enum s3e_where_op *op, int constraint)
{
    static const struct {
        int constraint;
        enum s3e_where_op op;
    } ops[] = {
        {SQLITE_INDEX_CONSTRAINT_EQ, S3E_OP_EQ},
        {SQLITE_INDEX_CONSTRAINT_NE, S3E_OP_NE},
        {SQLITE_INDEX_CONSTRAINT_LT, S3E_OP_LT},
        {SQLITE_INDEX_CONSTRAINT_LE, S3E_OP_LE},
        {SQLITE_INDEX_CONSTRAINT_GT, S3E_OP_GT},
        {SQLITE_INDEX_CONSTRAINT_GE, S3E_OP_GE},
        {SQLITE_INDEX_CONSTRAINT_IS, S3E_OP_IS},
        {SQLITE_INDEX_CONSTRAINT_ISNOT, S3E_OP_IS_NOT},
        {SQLITE_INDEX_CONSTRAINT_ISNULL, S3E_OP_IS_NULL},
        {SQLITE_INDEX_CONSTRAINT_ISNOTNULL, S3E_OP_NOT_NULL},
        {SQLITE_INDEX_CONSTRAINT_GLOB, S3E_OP_GLOB},
        {SQLITE_INDEX_CONSTRAINT_LIKE, S3E_OP_LIKE},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (ops[i].constraint == constraint) {
            *op = ops[i].op;
            return true;
        }
    }
    return false;
}

static bool is_order(enum s3e_where_op op)
{
    return op == S3E_OP_LT || op == S3E_OP_LE || op == S3E_OP_GT ||
           op == S3E_OP_GE;
}

/* Whether the operand is a literal, and then a text, without an affinity. */
static bool is_literal(sqlite3_index_info *info, int i, bool text)
{
    sqlite3_value *value = NULL;
    return sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK && value &&
           (!text || sqlite3_value_type(value) == SQLITE_TEXT);
}

/* Whether the cursor's decision is SQLite's, so that it need not look again.
 * The first part of (size, key) > (5, 'a') is offered as size >= 5, which lets
 * more pass: that is told by an operand that is not a literal. */
static bool is_exact(
    const struct making *m, int i, enum s3e_column column, enum s3e_where_op op)
{
    if (op == S3E_OP_IS_NULL || op == S3E_OP_NOT_NULL) {
        return true;
    }
    if (op == S3E_OP_GLOB || op == S3E_OP_LIKE) {
        return false;
    }
    const bool text = column != S3E_COL_SIZE;
    const bool part = op == S3E_OP_LE || op == S3E_OP_GE;
    return !(text || part) || is_literal(m->info, i, text);
}

static void guess_rows(
    struct making *m, enum s3e_column column, enum s3e_where_op op, bool in)
{
    const bool one = op == S3E_OP_EQ || op == S3E_OP_IS;
    if (column == S3E_COL_KEY && one) {
        m->has_keys = true;
        m->rows = in ? (double)keys_rows : 1;
    } else {
        m->rows *= one ? 0.1 : 0.5;
    }
}

static void take_filter(struct making *m, int i)
{
    const struct sqlite3_index_constraint *c = &m->info->aConstraint[i];
    struct s3e_plan_term term = {.use = S3E_PLAN_FILTER};
    if (!c->usable || c->iColumn < 0 || c->iColumn >= S3E_COLUMNS ||
        !s3e_column_is_listed((enum s3e_column)c->iColumn) ||
        !read_op(&term.op, c->op)) {
        m->all = false;
        return;
    }
    term.column = (enum s3e_column)c->iColumn;
    const bool text = term.column != S3E_COL_SIZE;
    if (text &&
        (sqlite3_stricmp(sqlite3_vtab_collation(m->info, i), "BINARY") != 0 ||
            (is_order(term.op) && !m->bytes))) {
        m->all = false;
        return;
    }
    const bool in = term.op == S3E_OP_EQ && sqlite3_vtab_in(m->info, i, -1);
    if (in) {
        (void)sqlite3_vtab_in(m->info, i, 1);
        term.use = S3E_PLAN_FILTER_IN;
    }
    term.exact = is_exact(m, i, term.column, term.op);
    m->all = m->all && term.exact;
    guess_rows(m, term.column, term.op, in);
    take(m, i, &term, term.exact);
}

/* Targets and options first. SQLITE_CONSTRAINT where one of them is not known
 * in this order of a join's tables. A plan without a target is one of SQLite's
 * tries with a part of WHERE, or a call without arguments: xFilter says so. */
static int take_arguments(struct making *m, sqlite3_vtab *vtab)
{
    bool has_options = false;
    for (int i = 0; i < m->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &m->info->aConstraint[i];
        if (c->op != SQLITE_INDEX_CONSTRAINT_EQ) {
            continue;
        }
        if (c->iColumn == S3E_COL_EXTRA) {
            return fail(vtab, "takes a target and options, no third argument; "
                              "options are one JSON object: "
                              "s3_objects('bucket', json_object('markers', "
                              "1))");
        }
        const bool target = c->iColumn == S3E_COL_TARGET;
        bool *has = target ? &m->has_target : &has_options;
        if ((!target && c->iColumn != S3E_COL_OPTIONS) || *has) {
            continue;
        }
        if (!c->usable) {
            return SQLITE_CONSTRAINT;
        }
        *has = true;
        take(m, i,
            &(struct s3e_plan_term){
                .use = target ? S3E_PLAN_TARGET : S3E_PLAN_OPTIONS},
            true);
    }
    return SQLITE_OK;
}

static bool is_limit(const struct sqlite3_index_constraint *c)
{
    return c->op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
           c->op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

/* Only where each row that the cursor gives is one that SQLite counts. SQLite
 * goes on to skip the rows of OFFSET itself, as it may have skipped rows of an
 * arm of UNION ALL before this one. */
static void take_limit(struct making *m)
{
    const sqlite3_index_info *info = m->info;
    if (!m->all || (info->nOrderBy > 0 && !info->orderByConsumed)) {
        return;
    }
    for (int i = 0; i < info->nConstraint; i++) {
        if (is_limit(&info->aConstraint[i]) && !info->aConstraint[i].usable) {
            return;
        }
    }
    for (int i = 0; i < info->nConstraint; i++) {
        const int op = info->aConstraint[i].op;
        if (is_limit(&info->aConstraint[i])) {
            take(m, i,
                &(struct s3e_plan_term){
                    .use = op == SQLITE_INDEX_CONSTRAINT_LIMIT
                               ? S3E_PLAN_LIMIT
                               : S3E_PLAN_OFFSET},
                op == SQLITE_INDEX_CONSTRAINT_LIMIT);
        }
    }
}

int s3e_plan_make(sqlite3_vtab *vtab, sqlite3_index_info *info, bool bytes)
{
    struct making m = {.info = info,
        .plan = S3E_BUF(3 * (size_t)info->nConstraint + 1),
        .bytes = bytes,
        .all = true,
        .rows = (double)whole_rows};
    int rc = take_arguments(&m, vtab);
    if (rc != SQLITE_OK) {
        goto done;
    }
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraintUsage[i].argvIndex == 0 &&
            !is_limit(&info->aConstraint[i])) {
            take_filter(&m, i);
        }
    }
    info->orderByConsumed = bytes && info->nOrderBy > 0 &&
                            info->aOrderBy[0].iColumn == S3E_COL_KEY &&
                            !info->aOrderBy[0].desc;
    info->idxNum = info->orderByConsumed;
    take_limit(&m);
    info->estimatedRows = m.rows < 1 ? 1 : (int64_t)m.rows;
    info->estimatedCost = !m.has_target ? never_cost
                          : m.has_keys  ? keys_cost
                                        : whole_cost;
    s3e_buf_add_byte(&m.plan, '\0');
    if (m.plan.rc != S3E_OK) {
        rc = SQLITE_NOMEM;
        goto done;
    }
    info->idxStr = sqlite3_mprintf("%s", (const char *)m.plan.ptr);
    info->needToFreeIdxStr = 1;
    rc = info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
done:
    s3e_buf_free(&m.plan);
    return rc;
}

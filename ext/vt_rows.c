#include "ext/vt_rows.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ext/connection.h"

enum {
    TEXT_MAX = 1 << 28, /* bytes of one filling */
    CELLS_FIRST = 64,
    COST_SCAN = 1000,
    COST_NEVER = 1000000000 /* a plan without the input, which cannot work */
};

struct cell {
    int type; /* SQLITE_TEXT, SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_NULL */
    union {
        int64_t integer;
        double real;
        struct {
            size_t at, len; /* in the text */
        } text;
    } is;
};

struct s3e_rows {
    struct cell *cells; /* [num_cells], row after row */
    size_t num_cells, room;
    struct s3e_buf text;
    s3e_rc rc;
};

struct table {
    sqlite3_vtab base;
    const struct s3e_rows_spec *spec;
    struct s3e_connection *conn; /* counted */
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct s3e_rows rows;
    size_t row;
    sqlite3_value *input; /* owned; NULL: none */
};

static void add(struct s3e_rows *rows, struct cell cell)
{
    if (rows->rc == S3E_OK && rows->num_cells == rows->room) {
        const size_t room = rows->room ? 2 * rows->room : CELLS_FIRST;
        struct cell *cells = s3e_realloc_array(rows->cells, room, sizeof cell);
        if (cells) {
            rows->cells = cells;
            rows->room = room;
        } else {
            rows->rc = S3E_E_NOMEM;
        }
    }
    if (rows->rc == S3E_OK) {
        rows->cells[rows->num_cells++] = cell;
    }
}

void s3e_rows_add_text(struct s3e_rows *rows, struct s3e_span text)
{
    struct cell cell = {.type = SQLITE_TEXT};
    cell.is.text.at = rows->text.len;
    cell.is.text.len = text.len;
    s3e_buf_add(&rows->text, text);
    add(rows, cell);
}

void s3e_rows_add_str(struct s3e_rows *rows, const char *str)
{
    if (str) {
        s3e_rows_add_text(rows, s3e_span_str(str));
    } else {
        s3e_rows_add_null(rows);
    }
}

void s3e_rows_add_int(struct s3e_rows *rows, int64_t value)
{
    add(rows, (struct cell){.type = SQLITE_INTEGER, .is.integer = value});
}

void s3e_rows_add_real(struct s3e_rows *rows, double value)
{
    add(rows, (struct cell){.type = SQLITE_FLOAT, .is.real = value});
}

void s3e_rows_add_null(struct s3e_rows *rows)
{
    add(rows, (struct cell){.type = SQLITE_NULL});
}

void s3e_rows_add_time(struct s3e_rows *rows, int64_t unix_s)
{
    char text[S3E_TIME_LEN + 1];
    if (unix_s < 0) {
        s3e_rows_add_null(rows);
        return;
    }
    s3e_time_format(text, unix_s, 0);
    s3e_rows_add_str(rows, text);
}

static void clear(struct s3e_rows *rows)
{
    s3e_free(rows->cells);
    s3e_buf_free(&rows->text);
    *rows = (struct s3e_rows){.text = S3E_BUF(TEXT_MAX)};
}

static int connect_table(sqlite3 *db, void *p, int argc,
    const char *const *argv, sqlite3_vtab **out, char **message)
{
    (void)argc, (void)argv, (void)message;
    const struct s3e_module_aux *aux = p;
    const struct s3e_rows_spec *spec = aux->spec;
    struct table *table;
    int rc = sqlite3_declare_vtab(db, spec->schema);
    if (rc == SQLITE_OK && spec->direct_only) {
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (!S3E_NEW(table)) {
        return SQLITE_NOMEM;
    }
    table->spec = spec;
    table->conn = s3e_connection_ref(aux->conn);
    *out = &table->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *vtab)
{
    struct table *table = (struct table *)vtab;
    s3e_connection_unref(table->conn);
    s3e_free(table);
    return SQLITE_OK;
}

/* The input is an `=` on the one hidden column; idxNum tells that it is
 * there. */
static int best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    const struct s3e_rows_spec *spec = ((struct table *)vtab)->spec;
    bool unusable = false;
    info->idxNum = 0;
    for (int i = 0; spec->input && i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        if (c->iColumn != spec->num_columns ||
            c->op != SQLITE_INDEX_CONSTRAINT_EQ) {
            continue;
        }
        if (!c->usable) {
            unusable = true;
        } else if (info->idxNum == 0) {
            info->aConstraintUsage[i].argvIndex = 1;
            info->aConstraintUsage[i].omit = 1;
            info->idxNum = 1;
        }
    }
    if (unusable && info->idxNum == 0) {
        return SQLITE_CONSTRAINT;
    }
    info->estimatedCost =
        spec->input && info->idxNum == 0 ? COST_NEVER : COST_SCAN;
    info->estimatedRows = 100;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct cursor *cursor;
    (void)vtab;
    if (!S3E_NEW(cursor)) {
        return SQLITE_NOMEM;
    }
    clear(&cursor->rows);
    *out = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    clear(&cursor->rows);
    sqlite3_value_free(cursor->input);
    s3e_free(cursor);
    return SQLITE_OK;
}

static s3e_rc fill(
    struct cursor *cursor, int argc, sqlite3_value **argv, struct s3e_err *err)
{
    const struct table *table = (struct table *)cursor->base.pVtab;
    const struct s3e_rows_spec *spec = table->spec;
    struct s3e_rows *rows = &cursor->rows;
    const struct s3e_span input =
        argc > 0 ? s3e_value_span(argv[0]) : (struct s3e_span){0};
    clear(rows);
    cursor->row = 0;
    sqlite3_value_free(cursor->input);
    cursor->input = argc > 0 ? sqlite3_value_dup(argv[0]) : NULL;
    if (argc > 0 && !cursor->input) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for the argument");
    }
    if (spec->input && !input.ptr) {
        return s3e_fail(
            err, S3E_E_INPUT, "an argument is missing, as in %s", spec->input);
    }
    s3e_rc rc = spec->fill(rows, table->conn, input, err);
    if (!rc) {
        rc = s3e_buf_check(&rows->text, "the text of the table", err);
    }
    if (!rc && rows->rc) {
        rc = s3e_fail(err, rows->rc, "no memory for the table");
    }
    if (rc) {
        clear(rows);
    }
    return rc;
}

static int filter(sqlite3_vtab_cursor *base, int idx_num, const char *idx_str,
    int argc, sqlite3_value **argv)
{
    const struct table *table = (struct table *)base->pVtab;
    struct s3e_err err;
    (void)idx_num, (void)idx_str;
    const s3e_rc rc = fill((struct cursor *)base, argc, argv, &err);
    return rc ? s3e_vtab_fail(
                    base->pVtab, table->conn, table->spec->name, rc, &err)
              : SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    ((struct cursor *)base)->row++;
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = (struct cursor *)base;
    const struct table *table = (struct table *)base->pVtab;
    return cursor->row * (size_t)table->spec->num_columns >=
           cursor->rows.num_cells;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    const struct cursor *cursor = (struct cursor *)base;
    const struct table *table = (struct table *)base->pVtab;
    if (i >= table->spec->num_columns) {
        if (cursor->input) {
            sqlite3_result_value(ctx, cursor->input);
        }
        return SQLITE_OK;
    }
    const struct cell *cell =
        &cursor->rows
             .cells[cursor->row * (size_t)table->spec->num_columns + (size_t)i];
    switch (cell->type) {
    case SQLITE_TEXT:
        sqlite3_result_text64(ctx,
            cell->is.text.len
                ? (const char *)cursor->rows.text.ptr + cell->is.text.at
                : "",
            cell->is.text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SQLITE_INTEGER:
        sqlite3_result_int64(ctx, cell->is.integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_result_double(ctx, cell->is.real);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct cursor *)base)->row + 1;
    return SQLITE_OK;
}

const sqlite3_module s3e_vt_rows = {
    .xConnect = connect_table,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = column,
    .xRowid = rowid,
};

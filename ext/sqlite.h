/* ext/sqlite.h - SQLite as a loadable extension sees it: every call goes
 * through the table that the host hands to the init function. Newer than 3.38
 * is asked for at run time only. */
#ifndef S3E_EXT_SQLITE_H
#define S3E_EXT_SQLITE_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

/* 3.45 and newer want it of a function that calls sqlite3_result_subtype();
 * older ones ignore the bit. */
#ifndef SQLITE_RESULT_SUBTYPE
# define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

enum {
    S3E_SQLITE_OLDEST = 3038000,
    S3E_SUBTYPE_JSON = 74,    /* SQLite's own */
    S3E_SUBTYPE_FLOAT32 = 223 /* sqlite-vec's: float32, little-endian */
};

#endif

#!/bin/sh
# Each header of ours compiles by itself, first in its file, without a warning.
cd "$(dirname "$0")/../.." || exit 2
bad=0
sqlite=$(pkg-config --cflags sqlite3)
for h in base/*.h s3vfs/*.h nn/*.h pipeline/*.h ext/*.h include/*.h; do
    [ -e "$h" ] || continue
    echo "#include \"$h\"" |
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -I. $sqlite -fsyntax-only -x c - ||
        { echo "$h does not stand alone"; bad=1; }
done
exit $bad

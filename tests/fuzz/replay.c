/* tests/fuzz/replay.c - runs a fuzz target over the files of its corpus, in
 * place of libFuzzer: any compiler can. Options (-...) are ignored. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay(const char *path)
{
    const struct s3e_span bytes = read_file(path);
    /* An exact-size block, so that ASan sees a read past its end. */
    uint8_t *exact = malloc(bytes.len ? bytes.len : 1);
    CHECK(exact != NULL);
    memcpy(exact, bytes.ptr, bytes.len);
    in_case(path);
    (void)LLVMFuzzerTestOneInput(exact, bytes.len);
    free(exact);
    free((void *)(uintptr_t)bytes.ptr);
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = argv[i][0] == '-' ? NULL : opendir(argv[i]);
        if (!dir) {
            continue;
        }
        for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
            char path[PATH_MAX];
            struct stat st;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                count += replay(path);
            }
        }
        (void)closedir(dir);
    }
    printf("replayed %d files\n", count);
    return count > 0 ? 0 : 1; /* an empty corpus proves nothing */
}

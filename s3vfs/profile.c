#include "s3vfs/profile.h"

#include "base/file.h"
#include "base/mem.h"

enum { PATH_MAX_LEN = 4096, NAME_MAX_LEN = 256 };

const char *s3e_env_get(const struct s3e_env *env, const char *name)
{
    const char *value = env->get(env->ctx, name);
    return value && *value ? value : NULL;
}

static s3e_rc no_memory(struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_NOMEM, "no memory for a profile");
}

/* `path` with a leading ~ replaced by $HOME, where that is set. */
static s3e_rc expand(char **out, const char *path, const struct s3e_env *env,
    struct s3e_err *err)
{
    struct s3e_buf buf = S3E_BUF(PATH_MAX_LEN);
    const char *home = s3e_env_get(env, "HOME");
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home) {
        s3e_buf_add_str(&buf, home);
        path++;
    }
    s3e_buf_add_str(&buf, path);
    s3e_rc rc = s3e_buf_check(&buf, "path of a shared AWS file", err);
    if (rc == S3E_OK) {
        *out = s3e_buf_take(&buf);
        rc = *out ? S3E_OK : no_memory(err);
    }
    s3e_buf_free(&buf);
    return rc;
}

/* What is not there, or not ours to read, is as empty; what is malformed is an
 * error. */
static s3e_rc load_file(struct s3e_profile_file *file, const char *path,
    const struct s3e_env *env, struct s3e_err *err)
{
    struct s3e_blob *blob = NULL;
    s3e_rc rc = expand(&file->path, path, env, err);
    if (rc) {
        return rc;
    }
    file->rc = s3e_file_read(&blob, file->path, S3E_INI_MAX, err);
    if (file->rc == S3E_E_NOMEM || file->rc == S3E_E_LIMIT) {
        return file->rc;
    }
    if (file->rc == S3E_OK) {
        rc = s3e_ini_parse(&file->ini, file->path, s3e_blob_span(blob), err);
        s3e_wipe(blob->data, blob->len);
        s3e_blob_unref(blob);
    }
    return rc;
}

/* Notes the section that is called so, where no other was found before. */
static s3e_rc find_section(struct s3e_profile_file *file, const char *before,
    const char *name, const char *after, struct s3e_err *err)
{
    struct s3e_buf buf = S3E_BUF(NAME_MAX_LEN + 16);
    if (file->section || file->rc) {
        return S3E_OK;
    }
    s3e_buf_add_str(&buf, before);
    s3e_buf_add_str(&buf, name);
    s3e_buf_add_str(&buf, after);
    s3e_rc rc = s3e_buf_check(&buf, "name of a profile", err);
    if (rc == S3E_OK && s3e_ini_has_section(&file->ini, s3e_buf_span(&buf))) {
        file->section = s3e_buf_take(&buf);
        rc = file->section ? S3E_OK : no_memory(err);
    }
    s3e_buf_free(&buf);
    return rc;
}

static s3e_rc find_sections(struct s3e_profile *p, struct s3e_err *err)
{
    static const char *const around[][2] = {
        {"profile ", ""}, {"profile \"", "\""}, {"profile '", "'"}};
    s3e_rc rc = find_section(&p->credentials, "", p->name, "", err);
    for (size_t i = 0; rc == S3E_OK && i < sizeof around / sizeof *around;
         i++) {
        rc = find_section(&p->config, around[i][0], p->name, around[i][1], err);
    }
    if (rc == S3E_OK && strcmp(p->name, "default") == 0) {
        rc = find_section(&p->config, "", p->name, "", err);
    }
    return rc;
}

/* The name that a person gave, NULL where the default is meant. */
static const char *given_name(const char *name, const struct s3e_env *env)
{
    if (name && *name) {
        return name;
    }
    const char *from_env = s3e_env_get(env, "AWS_PROFILE");
    return from_env ? from_env : s3e_env_get(env, "AWS_DEFAULT_PROFILE");
}

s3e_rc s3e_profile_load(struct s3e_profile *out, const char *name,
    const struct s3e_env *env, struct s3e_err *err)
{
    const char *given = given_name(name, env);
    const char *credentials = s3e_env_get(env, "AWS_SHARED_CREDENTIALS_FILE");
    const char *config = s3e_env_get(env, "AWS_CONFIG_FILE");
    *out = (struct s3e_profile){0};
    out->name = s3e_strdup(s3e_span_str(given ? given : "default"));
    if (!out->name) {
        return no_memory(err);
    }
    s3e_rc rc = load_file(&out->credentials,
        credentials ? credentials : "~/.aws/credentials", env, err);
    if (rc == S3E_OK) {
        rc = load_file(
            &out->config, config ? config : "~/.aws/config", env, err);
    }
    if (rc == S3E_OK) {
        rc = find_sections(out, err);
    }
    if (rc == S3E_OK && given && strcmp(given, "default") != 0 &&
        !out->credentials.section && !out->config.section) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "profile %.100s: neither [%.100s] in %s nor [profile %.100s] in %s",
            given, given, out->credentials.path, given, out->config.path);
    }
    if (rc) {
        s3e_profile_deinit(out);
    }
    return rc;
}

struct s3e_span s3e_profile_file_get(
    const struct s3e_profile_file *file, const char *group, const char *key)
{
    struct s3e_span value = {0};
    if (file->section) {
        value =
            s3e_ini_get(&file->ini, s3e_span_str(file->section), group, key);
    }
    return value.len ? value : (struct s3e_span){0};
}

struct s3e_span s3e_profile_get(
    const struct s3e_profile *profile, const char *group, const char *key)
{
    const struct s3e_span value =
        s3e_profile_file_get(&profile->credentials, group, key);
    return value.ptr ? value
                     : s3e_profile_file_get(&profile->config, group, key);
}

static void file_deinit(struct s3e_profile_file *file)
{
    s3e_free(file->path);
    s3e_free(file->section);
    s3e_ini_deinit(&file->ini);
}

void s3e_profile_deinit(struct s3e_profile *profile)
{
    s3e_free(profile->name);
    file_deinit(&profile->credentials);
    file_deinit(&profile->config);
    *profile = (struct s3e_profile){0};
}

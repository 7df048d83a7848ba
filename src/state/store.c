/* store.c - records in files: see state.h. */
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netenforce/log.h>
#include <netenforce/state.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX  ((size_t)64 * 1024) /* bytes; ours are far smaller */
#define RECORD_NAME (NE_ID_SIZE + 16)
#define BOOT_ID     "/proc/sys/kernel/random/boot_id"

struct file_store {
    struct ne_store base;
    char dir[256]; /* for messages */
    int lock;
    int networks; /* folders, for *at() */
    int endpoints;
    char boot[64];
};

static struct file_store *of(struct ne_store *store) {
    return (struct file_store *)store;
}

/* write_whole() - All of @text to @fd, through short writes. */
static int write_whole(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        size -= (size_t)n;
    }
    return 0;
}

/* remedy_of() - What to do about a disk that takes nothing. */
static const char *remedy_of(int cause) {
    switch (cause) {
    case ENOSPC:
    case EDQUOT:
        return " (make room there; df and df -i tell of what there is too little)";
    case EROFS:
        return " (its file system is read-only: the kernel's log may say why; mount it writable)";
    default:
        return "";
    }
}

/* cannot() - Fail over a record's file, or the folder if @name is NULL. */
static int cannot(const struct file_store *store, const char *what, const char *kind,
                  const char *name, int cause, struct ne_error *err) {
    return ne_fail(err, NE_STATE, "cannot %s %s/%ss%s%s: %s%s", what, store->dir, kind,
                   name == NULL ? "" : "/", name == NULL ? "" : name, strerror(cause),
                   remedy_of(cause));
}

/* Whether a record has to outlive a power cut. An endpoint's has not: it belongs to one boot of the
 * host, and what a process wrote outlives that process without being synced. Each fsync() would
 * cost a container's start as much as making its links. */
enum lasts { THIS_BOOT, FOR_GOOD };

/* replace() - Write @text aside and rename to @name; FOR_GOOD, sync the file and the folder. */
static int replace(int folder, const char *name, const char *text, size_t size, enum lasts lasts) {
    char aside[RECORD_NAME + 8];
    (void)snprintf(aside, sizeof(aside), ".%s.new", name);

    int fd = openat(folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int failed = write_whole(fd, text, size) < 0 || (lasts == FOR_GOOD && fsync(fd) < 0);
    int cause = errno;
    if (close(fd) < 0 && !failed) {
        failed = 1;
        cause = errno;
    }
    if (!failed && renameat(folder, aside, folder, name) < 0) {
        failed = 1;
        cause = errno;
    }
    if (failed) {
        (void)unlinkat(folder, aside, 0);
        errno = cause;
        return -1;
    }
    return lasts == FOR_GOOD ? fsync(folder) : 0;
}

static int save(struct file_store *store, int folder, const char *kind, const char *id,
                json_t *record, enum lasts lasts, struct ne_error *err) {
    char *text = record == NULL ? NULL : json_dumps(record, JSON_INDENT(2));
    json_decref(record);
    if (text == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the record of %s %.12s", kind, id);

    char name[RECORD_NAME];
    (void)snprintf(name, sizeof(name), "%s.json", id);
    int result = replace(folder, name, text, strlen(text), lasts);
    int cause = errno;
    free(text);
    if (result < 0)
        return cannot(store, "write", kind, name, cause, err);
    return 0;
}

static int save_network(struct ne_store *store, const struct ne_network *network,
                        struct ne_error *err) {
    return save(of(store), of(store)->networks, "network", network->id,
                ne_record_of_network(network), FOR_GOOD, err);
}

static int save_endpoint(struct ne_store *store, const struct ne_endpoint *endpoint,
                         struct ne_error *err) {
    return save(of(store), of(store)->endpoints, "endpoint", endpoint->id,
                ne_record_of_endpoint(endpoint, of(store)->boot), THIS_BOOT, err);
}

static int forget(struct file_store *store, int folder, const char *kind, const char *id,
                  enum lasts lasts, struct ne_error *err) {
    char name[RECORD_NAME];
    (void)snprintf(name, sizeof(name), "%s.json", id);
    if (unlinkat(folder, name, 0) < 0) {
        if (errno == ENOENT)
            return 0;
        return cannot(store, "remove", kind, name, errno, err);
    }
    if (lasts == FOR_GOOD && fsync(folder) < 0)
        return cannot(store, "sync", kind, NULL, errno, err);
    return 0;
}

static int forget_network(struct ne_store *store, const char *id, struct ne_error *err) {
    return forget(of(store), of(store)->networks, "network", id, FOR_GOOD, err);
}

static int forget_endpoint(struct ne_store *store, const char *id, struct ne_error *err) {
    return forget(of(store), of(store)->endpoints, "endpoint", id, THIS_BOOT, err);
}

/* fail_read() - A call that reads a record failed. Out of memory or descriptors, the system says
 * nothing of the record: NE_NO_MEMORY, at which loading ends, instead of setting it aside. */
static void fail_read(struct ne_error *err, int cause, const char *what) {
    bool passing = cause == ENOMEM || cause == EMFILE || cause == ENFILE;
    (void)ne_fail_errno(err, passing ? NE_NO_MEMORY : NE_STATE, cause, "cannot %s it", what);
}

/* read_record() - One file as JSON. Return: owned by the caller, or NULL with @err. */
static json_t *read_record(int folder, const char *name, struct ne_error *err) {
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        fail_read(err, errno, "open");
        return NULL;
    }
    char *text = malloc(RECORD_MAX);
    size_t used = 0;
    ssize_t n = 0;
    while (text != NULL && used < RECORD_MAX) {
        n = read(fd, text + used, RECORD_MAX - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    int cause = errno;
    (void)close(fd);

    json_t *json = NULL;
    json_error_t where;
    if (text == NULL)
        (void)ne_fail(err, NE_NO_MEMORY, "no memory to read it");
    else if (n < 0)
        fail_read(err, cause, "read");
    else if (used == 0)
        (void)ne_fail(err, NE_NOT_FOUND, "it is empty");
    else if (used == RECORD_MAX)
        (void)ne_fail(err, NE_STATE, "it is larger than %zu bytes", RECORD_MAX);
    else if ((json = json_loadb(text, used, JSON_REJECT_DUPLICATES, &where)) == NULL)
        (void)ne_fail(err, NE_STATE, "it is no JSON: line %d: %s", where.line, where.text);
    free(text);
    return json;
}

typedef int (*take_record)(struct file_store *store, struct ne_model *model, const json_t *json,
                           const char *id, struct ne_error *err);

static int take_network(struct file_store *store, struct ne_model *model, const json_t *json,
                        const char *id, struct ne_error *err) {
    (void)store;
    struct ne_network network;
    if (ne_record_to_network(json, &network, err) < 0)
        return -1;
    if (strcmp(network.id, id) != 0)
        return ne_fail(err, NE_STATE, "its id is not its file's name");
    if (ne_network_check(model, &network, err) < 0)
        return -1;
    return ne_model_add_network(model, &network, err) == NULL ? -1 : 0;
}

static int take_endpoint(struct file_store *store, struct ne_model *model, const json_t *json,
                         const char *id, struct ne_error *err) {
    struct ne_endpoint endpoint;
    struct ne_options options;
    const char *boot;
    if (ne_record_to_endpoint(json, &endpoint, &options, &boot, err) < 0)
        return -1;
    if (strcmp(endpoint.id, id) != 0)
        return ne_fail(err, NE_STATE, "its id is not its file's name");

    const struct ne_network *network = ne_model_network(model, endpoint.network);
    if (strcmp(boot, store->boot) != 0 || network == NULL) {
        ne_info("endpoint %.12s is of %s: forgotten", id,
                network == NULL ? "no known network" : "an earlier boot");
        struct ne_error why;
        if (forget_endpoint(&store->base, id, &why) < 0)
            ne_warn("%s; the next start tries again", why.text);
        return 0;
    }
    if (ne_endpoint_check(model, network, &endpoint, err) < 0)
        return -1;
    return ne_model_add_endpoint(model, &endpoint, err) == NULL ? -1 : 0;
}

/* set_aside() - Keep a damaged record for people, out of the way of the next start. */
static void set_aside(struct file_store *store, int folder, const char *kind, const char *name,
                      const struct ne_error *why) {
    char aside[RECORD_NAME + 16];
    (void)snprintf(aside, sizeof(aside), "%s.damaged", name);
    ne_err("%s/%ss/%s cannot be used: %s. It is kept as %s; remove the %s in Docker and make it "
           "again",
           store->dir, kind, name, why->text, aside, kind);
    if (renameat(folder, name, folder, aside) < 0)
        ne_err("cannot rename %s/%ss/%s: %s", store->dir, kind, name, strerror(errno));
}

/* id_of() - The id that a record's file @name stands for. Return: whether it is a record's. */
static bool id_of(const char *name, char id[static RECORD_NAME]) {
    static const char ending[] = ".json";
    const size_t tail = sizeof(ending) - 1;
    size_t length = strlen(name);
    if (length <= tail || length >= RECORD_NAME || strcmp(name + length - tail, ending) != 0)
        return false;
    memcpy(id, name, length - tail);
    id[length - tail] = '\0';
    return true;
}

/* load_one() - Return: 0 also for a record that is set aside; -1 if loading cannot go on. */
static int load_one(struct file_store *store, struct ne_model *model, int folder, const char *kind,
                    const char *name, take_record take, struct ne_error *err) {
    char id[RECORD_NAME];
    if (name[0] == '.') { /* "." and "..", or a file that was never renamed */
        if (strlen(name) > 2)
            (void)unlinkat(folder, name, 0);
        return 0;
    }
    if (!id_of(name, id))
        return 0;

    struct ne_error why = {0};
    json_t *json = read_record(folder, name, &why);
    int result = json == NULL ? -1 : take(store, model, json, id, &why);
    json_decref(json);
    if (result == 0)
        return 0;
    if (why.code == NE_NO_MEMORY) {
        *err = why;
        (void)ne_context(err, "%s/%ss/%s", store->dir, kind, name);
        return -1;
    }
    /* Written in this boot it would be whole: so it is of one that ended by a power cut. */
    if (why.code == NE_NOT_FOUND && folder == store->endpoints) {
        ne_info("endpoint %.12s: its record is empty, of an earlier boot: forgotten", id);
        if (forget_endpoint(&store->base, id, &why) == 0)
            return 0;
    }
    set_aside(store, folder, kind, name, &why);
    return 0;
}

/* What is done with one file of a folder. */
typedef int (*visit_record)(struct file_store *store, struct ne_model *model, int folder,
                            const char *kind, const char *name, struct ne_error *err);

static int load_network(struct file_store *store, struct ne_model *model, int folder,
                        const char *kind, const char *name, struct ne_error *err) {
    return load_one(store, model, folder, kind, name, take_network, err);
}

static int load_endpoint(struct file_store *store, struct ne_model *model, int folder,
                         const char *kind, const char *name, struct ne_error *err) {
    return load_one(store, model, folder, kind, name, take_endpoint, err);
}

static int sweep_one(struct file_store *store, struct ne_model *model, int folder, const char *kind,
                     const char *name, struct ne_error *err) {
    char id[RECORD_NAME];
    if (!id_of(name, id) || ne_model_network(model, id) != NULL ||
        ne_model_endpoint(model, id) != NULL)
        return 0;
    return forget(store, folder, kind, id, folder == store->networks ? FOR_GOOD : THIS_BOOT, err);
}

static int walk_folder(struct file_store *store, struct ne_model *model, int folder,
                       const char *kind, visit_record visit, struct ne_error *err) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        int cause = errno;
        if (fd >= 0)
            (void)close(fd);
        return ne_fail_errno(err, NE_STATE, cause, "cannot list %s/%ss", store->dir, kind);
    }
    int result = 0;
    while (result == 0) {
        errno = 0; /* readdir() ends and fails alike */
        const struct dirent *entry = readdir(entries);
        if (entry == NULL)
            break;
        result = visit(store, model, folder, kind, entry->d_name, err);
    }
    /* A list that is cut short would make nobody's of what the other records own. */
    if (result == 0 && errno != 0)
        result = ne_fail_errno(err, NE_STATE, errno, "cannot list %s/%ss", store->dir, kind);
    (void)closedir(entries);
    return result;
}

static int load(struct ne_store *base, struct ne_model *model, struct ne_error *err) {
    struct file_store *store = of(base);
    if (walk_folder(store, model, store->networks, "network", load_network, err) < 0)
        return -1;
    return walk_folder(store, model, store->endpoints, "endpoint", load_endpoint, err);
}

static int sweep(struct ne_store *base, struct ne_model *model, struct ne_error *err) {
    struct file_store *store = of(base);
    if (walk_folder(store, model, store->networks, "network", sweep_one, err) < 0)
        return -1;
    return walk_folder(store, model, store->endpoints, "endpoint", sweep_one, err);
}

static void close_store(struct ne_store *base) {
    struct file_store *store = of(base);
    if (store->networks >= 0)
        (void)close(store->networks);
    if (store->endpoints >= 0)
        (void)close(store->endpoints);
    if (store->lock >= 0)
        (void)close(store->lock);
    free(store);
}

static const struct ne_store_ops file_store_ops = {
    .save_network = save_network,
    .save_endpoint = save_endpoint,
    .forget_network = forget_network,
    .forget_endpoint = forget_endpoint,
    .load = load,
    .sweep = sweep,
    .close = close_store,
};

static int open_folder(int at, const char *name) {
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int read_boot_id(char boot[static 64]) {
    FILE *file = fopen(BOOT_ID, "re");
    if (file == NULL)
        return -1;
    bool read = fgets(boot, 64, file) != NULL;
    (void)fclose(file);
    if (!read)
        return -1;
    boot[strcspn(boot, "\n")] = '\0';
    return 0;
}

static int open_all(struct file_store *store, struct ne_error *err) {
    int top = open_folder(AT_FDCWD, store->dir);
    if (top < 0)
        return ne_fail_errno(err, NE_STATE, errno, "cannot open the state folder %s", store->dir);

    /* Not for writing: so it is had on a disk that has become read-only, and keeps none from it. */
    store->lock = openat(top, "lock", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    store->networks = open_folder(top, "networks");
    store->endpoints = open_folder(top, "endpoints");
    int cause = errno;
    (void)close(top);
    if (store->lock < 0 || store->networks < 0 || store->endpoints < 0)
        return ne_fail_errno(err, NE_STATE, cause, "cannot open the folders in %s", store->dir);
    if (flock(store->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return ne_fail(err, NE_CONFLICT,
                           "another netenforced uses %s: stop it first (the plugin and the "
                           "systemd unit exclude each other)",
                           store->dir);
        return ne_fail_errno(err, NE_STATE, errno, "cannot lock %s/lock", store->dir);
    }
    if (read_boot_id(store->boot) < 0)
        return ne_fail_errno(err, NE_STATE, errno, "cannot read %s", BOOT_ID);
    return 0;
}

struct ne_store *ne_file_store_open(const char *dir, struct ne_error *err) {
    struct file_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the store");
        return NULL;
    }
    store->base.ops = &file_store_ops;
    store->lock = store->networks = store->endpoints = -1;
    if (strlen(dir) >= sizeof(store->dir)) {
        (void)ne_fail(err, NE_BAD_INPUT, "the state folder's name has more than %zu characters",
                      sizeof(store->dir) - 1);
        close_store(&store->base);
        return NULL;
    }
    memcpy(store->dir, dir, strlen(dir) + 1);
    if (open_all(store, err) < 0) {
        close_store(&store->base);
        return NULL;
    }
    return &store->base;
}

/* look.c - the host's resolv.conf, read anew each time: see resolver.h.
 *
 * It is replaced by renaming, so no descriptor of it is kept. In the managed plugin the host's /etc
 * lies elsewhere, and a link such as /run/systemd/resolve/stub-resolv.conf means the host's /run:
 * so links are followed here. (openat2() could, within a root, but only since Linux 5.6.)
 */
#include <netenforce/resolver.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ETC_FILE  "etc/resolv.conf"
#define FILE_MAX  65536
#define PATH_SIZE 512
#define LINKS_MAX 8

/* join() - What the link @at leads to, as a path from the root: lexically, "..", too, since beside
 * the file itself nothing of these paths is a link. Return: false if it is too long.
 */
static bool join(char at[static PATH_SIZE], const char *target) {
    char whole[2 * PATH_SIZE];
    const char *slash = strrchr(at, '/');
    bool relative = target[0] != '/' && slash != NULL;
    (void)snprintf(whole, sizeof(whole), "%.*s/%s", relative ? (int)(slash - at) : 0, at, target);
    size_t used = 0;
    at[0] = '\0';
    for (const char *rest = whole; *(rest += strspn(rest, "/")) != '\0';) {
        size_t length = strcspn(rest, "/");
        if (length == 2 && memcmp(rest, "..", 2) == 0) {
            while (used > 0 && at[--used] != '/')
                continue;
        } else if (length != 1 || rest[0] != '.') {
            if (used + length + 2 > PATH_SIZE)
                return false;
            if (used > 0)
                at[used++] = '/';
            memcpy(at + used, rest, length);
            used += length;
        }
        at[used] = '\0';
        rest += length;
    }
    return used > 0;
}

/* open_within() - Open @path as somebody would whose root @folder is. */
static int open_within(int folder, const char *path) {
    char at[PATH_SIZE];
    char target[PATH_SIZE];
    memcpy(at, path, strlen(path) + 1);
    for (int links = 0; links < LINKS_MAX; links++) {
        int fd = openat(folder, at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd >= 0 || errno != ELOOP)
            return fd;
        ssize_t size = readlinkat(folder, at, target, sizeof(target) - 1);
        if (size < 0)
            return -1;
        target[size] = '\0';
        if ((size_t)size == sizeof(target) - 1 || !join(at, target))
            break;
    }
    errno = ELOOP;
    return -1;
}

/* read_whole() - Read a file to its end; what is longer than @size is no resolv.conf. */
static ssize_t read_whole(int fd, char *text, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t n = read(fd, text + length, size - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            return (ssize_t)length;
        length += (size_t)n;
    }
    errno = EFBIG;
    return -1;
}

/* look_at() - Read one file; one that is not there says nothing. */
static int look_at(int folder, bool elsewhere, const char *path, struct ne_resolv_conf *conf,
                   struct ne_error *err) {
    static const char advice[] =
        "so it is not known whether the engine asks a loopback server for containers "
        "(RESOLVER_LEAK=allow or --resolver-leak=allow goes on in spite of that)";
    char text[FILE_MAX];
    *conf = (struct ne_resolv_conf){0};
    int fd = open_within(folder, path);
    if (fd < 0 && errno == ENOENT) {
        struct stat st;
        if (!elsewhere || fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return 0;
        return ne_fail(err, NE_STATE,
                       "the host's /%s is a link to what cannot be seen from the plugin, %s", path,
                       advice);
    }
    ssize_t size = fd < 0 ? -1 : read_whole(fd, text, sizeof(text));
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    if (size < 0)
        return ne_fail(err, NE_STATE, "the host's /%s cannot be read (%s), %s", path,
                       strerror(saved), advice);
    ne_resolv_conf_parse(text, (size_t)size, conf);
    return 0;
}

int ne_resolver_look(const char *root, struct ne_resolver *found, struct ne_error *err) {
    struct ne_resolv_conf conf;
    *found = (struct ne_resolver){.path = "/" ETC_FILE};
    bool elsewhere = *root != '\0';
    int folder = open(elsewhere ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return ne_fail_errno(err, NE_STATE, errno, "the host's files are not at %s", root);
    int result = look_at(folder, elsewhere, ETC_FILE, &conf, err);
    (void)close(folder);
    if (result == 0)
        memcpy(found->server, conf.loopback, sizeof(found->server));
    return result;
}

int ne_resolver_servers(const char *root, struct ne_servers *servers, struct ne_error *err) {
    char text[FILE_MAX];
    *servers = (struct ne_servers){0};
    int folder = open(*root != '\0' ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return ne_fail_errno(err, NE_STATE, errno, "the host's files are not at %s", root);
    int fd = open_within(folder, ETC_FILE);
    ssize_t size = fd < 0 ? -1 : read_whole(fd, text, sizeof(text));
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    (void)close(folder);
    if (fd < 0 && saved == ENOENT)
        return 0;
    if (size < 0)
        return ne_fail_errno(err, NE_STATE, saved, "the host's /" ETC_FILE " cannot be read");
    ne_resolv_conf_servers(text, (size_t)size, servers);
    return 0;
}

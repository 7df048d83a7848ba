/* load.c - the policy file, read: see declared.h. */
#include <netenforce/declared.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* read_all() - Return: how many bytes, or -1 with errno; one more than fit are too many. */
static ssize_t read_all(int fd, char *text) {
    size_t used = 0;
    while (used <= NE_DECLARED_SIZE) {
        ssize_t n = read(fd, text + used, NE_DECLARED_SIZE + 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static int read_file(struct ne_declarations *declarations, int fd, struct ne_error *err) {
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ne_fail_errno(err, NE_STATE, errno, "cannot be looked at");
    if (!S_ISREG(st.st_mode))
        return ne_fail(err, NE_BAD_INPUT, "accepted is a plain file");
    char *text = malloc(NE_DECLARED_SIZE + 1);
    if (text == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory to read it");
    ssize_t size = read_all(fd, text);
    int result = size < 0 ? ne_fail_errno(err, NE_STATE, errno, "cannot be read")
                 : (size_t)size > NE_DECLARED_SIZE
                     ? ne_fail(err, NE_BAD_INPUT, "accepted are up to %u bytes", NE_DECLARED_SIZE)
                     : ne_declarations_parse(declarations, text, (size_t)size, err);
    free(text);
    return result;
}

int ne_declarations_load(struct ne_declarations *declarations, const char *path,
                         struct ne_error *err) {
    /* O_NONBLOCK: a FIFO must not hold who reads. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ne_fail_errno(err, NE_STATE, errno, "policy file %s cannot be opened", path);
    int result = read_file(declarations, fd, err);
    (void)close(fd);
    return result == 0 ? 0 : ne_context(err, "policy file %s", path);
}

/* file.c - events in a file, with rotation: see internal.h.
 *
 * The file holds whole lines: what a full disk cut short is taken back. Nothing is synced, since an
 * event is no state: a crash of the daemon loses none, a power cut the last ones. Nor is it kept
 * open: whoever removes it, or mounts its disk read-only, finds nobody in the way.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

static bool name_of(const struct event_file *file, uint64_t age, char path[static PATH_SIZE]) {
    int n = age == 0 ? snprintf(path, PATH_SIZE, "%s", file->path)
                     : snprintf(path, PATH_SIZE, "%s.%llu", file->path, (unsigned long long)age);
    return n > 0 && n < PATH_SIZE;
}

/* complain() - Once, until it works again: each event would make a line of the log. */
static void complain(struct event_file *file, const char *what, int error) {
    if (!file->complained)
        ne_warn("events: cannot %s %s: %s; they still go to standard error and to followers, and "
                "what is left out is counted (netenforce_events_dropped_total)",
                what, file->path, strerror(error));
    file->complained = true;
}

/* open_file() - Return: a descriptor, with the file's size in @file; or -1. */
static int open_file(struct event_file *file) {
    struct stat st;
    int fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        complain(file, "open", errno);
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        file->size = (uint64_t)st.st_size;
        return fd;
    }
    (void)close(fd);
    complain(file, "use", EINVAL);
    return -1;
}

/* rotate() - PATH.1 becomes PATH.2 and so on, PATH becomes PATH.1. Return: whether it did. */
static bool rotate(struct event_file *file) {
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    for (unsigned age = file->count; age > 0; age--) {
        if (!name_of(file, age - 1, from) || !name_of(file, age, to)) {
            complain(file, "rotate", ENAMETOOLONG);
            return false;
        }
        if (rename(from, to) < 0 && errno != ENOENT) {
            complain(file, "rotate", errno);
            return false;
        }
    }
    file->generation++;
    return true;
}

/* append() - Return: whether the whole line is there; else none of it. */
static bool append(struct event_file *file, int fd, const char *line, size_t size) {
    ssize_t written = write(fd, line, size);
    if (written == (ssize_t)size) {
        file->size += size;
        file->complained = false;
        return true;
    }
    int error = written < 0 ? errno : ENOSPC;
    if (written > 0 && ftruncate(fd, (off_t)file->size) < 0)
        error = errno;
    complain(file, "write", error);
    return false;
}

void event_file_look(struct event_file *file) {
    int fd = file->path == NULL ? -1 : open_file(file);
    if (fd >= 0)
        (void)close(fd);
}

bool event_file_write(struct event_file *file, const char *line, size_t size) {
    if (file->path == NULL)
        return true;
    int fd = open_file(file);
    if (fd >= 0 && file->size > 0 && file->size + size > file->size_max) {
        (void)close(fd);
        fd = rotate(file) ? open_file(file) : -1;
    }
    if (fd < 0)
        return false;
    bool whole = append(file, fd, line, size);
    (void)close(fd);
    return whole;
}

int event_file_reader(const struct event_file *file, uint64_t generation) {
    char path[PATH_SIZE];
    if (file->path == NULL || generation > file->generation ||
        !name_of(file, file->generation - generation, path))
        return -1;
    return open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

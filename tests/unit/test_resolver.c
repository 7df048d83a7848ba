/* test_resolver.c - which resolv.conf lets names leak: as text, and as files of a host. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netenforce/resolver.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ne_error err;

static const struct {
    const char *text;
    const char *loopback;
} cases[] = {
    {"", ""},
    {"search example.com\noptions edns0\n", ""},
    {"nameserver 192.0.2.53\n", ""},
    {"nameserver 127.0.0.1\n", "127.0.0.1"},
    {"nameserver 127.0.0.1", "127.0.0.1"},
    {"nameserver 192.0.2.53\nnameserver 127.1.2.3\n", "127.1.2.3"},
    {"nameserver 127.0.0.1\nnameserver 127.0.0.2\n", "127.0.0.1"},
    {"  nameserver\t127.0.0.1  \r\n", "127.0.0.1"},
    {"nameserver127.0.0.1\n", "127.0.0.1"},
    {"nameserver 127.0.0.1 # ours\n", "127.0.0.1"},
    {"nameserver 127.0.0.1 ; ours\n", "127.0.0.1"},
    {"# nameserver 127.0.0.1\n", ""},
    {"#\nnameserver 127.0.0.1\n", "127.0.0.1"},
    {"search nameserver 127.0.0.1\n", ""},
    {"nameserver\n", ""},
    {"nameserver ::1\n", ""}, /* those engines ask IPv4 servers only */
    {"nameserver 1127.0.0.1\n", ""},
    {"nameserver 10.127.0.1\n", ""},
    {"nameserver 127.0.0.53\n", "127.0.0.53"},
    {"nameserver 127.0.0.53\noptions edns0 trust-ad\n", "127.0.0.53"},
    {"nameserver 127.0.0.53\nnameserver 192.0.2.53\n", "127.0.0.53"},
    {"nameserver 127.0.0.53\nnameserver ::1\n", "127.0.0.53"},
    {"nameserver 127.0.0.53\nnameserver 127.0.0.53\n", "127.0.0.53"},
    {"nameserver 127.0.0.530\n", "127.0.0.530"},
    {"nameserver 127.0.0.53 ; stub\n", "127.0.0.53"},
};

static void texts_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        /* On the heap, without a final zero: a byte too many is seen by the sanitizer. */
        size_t size = strlen(cases[i].text);
        char *text = malloc(size + 1);
        assert_non_null(text);
        memcpy(text, cases[i].text, size);
        struct ne_resolv_conf conf;
        ne_resolv_conf_parse(text, size, &conf);
        free(text);
        assert_string_equal(conf.loopback, cases[i].loopback);
    }
}

static void what_is_shown_is_an_address(void **state) {
    (void)state;
    static const char nul[] = "nameserver 127.0.0.1\0rest\nnameserver 127.0.0.2\n";
    static const char escape[] = "nameserver 127.\033[2J\n";
    struct ne_resolv_conf conf;
    ne_resolv_conf_parse(nul, sizeof(nul) - 1, &conf);
    assert_string_equal(conf.loopback, "127.0.0.1");
    ne_resolv_conf_parse(escape, sizeof(escape) - 1, &conf);
    assert_string_equal(conf.loopback, "127.");

    char longest[400] = "nameserver 127.";
    memset(longest + strlen(longest), '1', 300);
    ne_resolv_conf_parse(longest, strlen(longest), &conf);
    assert_int_equal(strlen(conf.loopback), NE_RESOLVER_TEXT - 1);
}

/* A host's files, in a folder of their own. */
static char root[] = "/tmp/test_resolver-XXXXXX";
static int folder = -1;

static void put(const char *path, const char *text) {
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void put_link(const char *path, const char *target) {
    (void)unlinkat(folder, path, 0);
    assert_int_equal(symlinkat(target, folder, path), 0);
}

static int make_root(void **state) {
    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    static const char *const folders[] = {"etc", "run", "run/systemd", "run/systemd/resolve"};
    for (size_t i = 0; i < COUNT(folders); i++) {
        if (mkdirat(folder, folders[i], 0755) < 0)
            return -1;
    }
    return 0;
}

static int remove_root(void **state) {
    (void)state;
    static const char *const files[] = {"etc/resolv.conf", "run/systemd/resolve/resolv.conf",
                                        "run/systemd/resolve/stub-resolv.conf"};
    static const char *const folders[] = {"run/systemd/resolve", "run/systemd", "run", "etc"};
    for (size_t i = 0; i < COUNT(files); i++)
        (void)unlinkat(folder, files[i], 0);
    for (size_t i = 0; i < COUNT(folders); i++)
        (void)unlinkat(folder, folders[i], AT_REMOVEDIR);
    (void)close(folder);
    return rmdir(root);
}

#define ETC     "etc/resolv.conf"
#define STUB    "run/systemd/resolve/stub-resolv.conf"
#define SYSTEMD "run/systemd/resolve/resolv.conf"

static const struct ne_resolver *found(void) {
    static struct ne_resolver resolver;
    assert_int_equal(ne_resolver_look(root, &resolver, &err), 0);
    return &resolver;
}

static void files_are_found(void **state) {
    (void)state;
    assert_string_equal(found()->server, ""); /* none at all: the engine asks 8.8.8.8 */
    put(ETC, "nameserver 127.0.0.1\n");
    assert_string_equal(found()->server, "127.0.0.1");
    assert_string_equal(found()->path, "/" ETC);
    put("etc/new", "nameserver 192.0.2.53\n");
    assert_int_equal(renameat(folder, "etc/new", folder, ETC), 0);
    assert_string_equal(found()->server, "");

    /* systemd-resolved, as a link from within the root and from its top */
    put(STUB, "nameserver 127.0.0.53\n");
    put(SYSTEMD, "nameserver 192.0.2.53\n");
    put_link(ETC, "../" STUB);
    assert_string_equal(found()->server, "127.0.0.53");
    assert_string_equal(found()->path, "/" ETC);
    put_link(ETC, "../" SYSTEMD);
    assert_string_equal(found()->server, "");
    put_link(ETC, "/" STUB);
    put(STUB, "nameserver 127.0.0.54\n");
    assert_string_equal(found()->server, "127.0.0.54");
}

static void what_cannot_be_read_is_refused(void **state) {
    (void)state;
    struct ne_resolver resolver;
    put_link(ETC, "/mnt/elsewhere");
    assert_int_equal(ne_resolver_look(root, &resolver, &err), -1);
    assert_int_equal(err.code, NE_STATE);
    assert_non_null(strstr(err.text, "link"));
    put_link(ETC, "resolv.conf");
    assert_int_equal(ne_resolver_look(root, &resolver, &err), -1);
    assert_non_null(strstr(err.text, "cannot be read"));

    (void)unlinkat(folder, ETC, 0);
    assert_int_equal(mkdirat(folder, ETC, 0755), 0);
    assert_int_equal(ne_resolver_look(root, &resolver, &err), -1);
    assert_int_equal(unlinkat(folder, ETC, AT_REMOVEDIR), 0);
    put(ETC, "");
    int fd = openat(folder, ETC, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    (void)close(fd);
    assert_int_equal(ne_resolver_look(root, &resolver, &err), -1);
    (void)unlinkat(folder, ETC, 0);
    assert_int_equal(ne_resolver_look("/nowhere", &resolver, &err), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(what_is_shown_is_an_address),
        cmocka_unit_test(files_are_found),
        cmocka_unit_test(what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests_name("resolver", tests, make_root, remove_root);
}

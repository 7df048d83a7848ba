/* no_systemd.c - what dnsmasq's libraries want of systemd, for the managed plugin.
 *
 * Debian's dnsmasq is linked with D-Bus, which it does not use here, and D-Bus asks libsystemd for
 * sockets that systemd has handed over. That library and the four that it loads are 3.5 MB of a
 * plugin of 11.6 MB. So the plugin carries this one in its place: there is no systemd, and no such
 * socket. A D-Bus that needs more of it does not start; tests/engine/test_dns.py would tell.
 */
int sd_listen_fds(int unset_environment);
int sd_is_socket(int fd, int family, int type, int listening);

int sd_listen_fds(int unset_environment) {
    (void)unset_environment;
    return 0;
}

int sd_is_socket(int fd, int family, int type, int listening) {
    (void)fd;
    (void)family;
    (void)type;
    (void)listening;
    return 0;
}

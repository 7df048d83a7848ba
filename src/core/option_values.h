/* option_values.h - how each option's value is read and written. Pure. */
#ifndef NETENFORCE_OPTION_VALUES_H
#define NETENFORCE_OPTION_VALUES_H

#include <netenforce/options.h>

/* A reader takes @text whole into *@value, of the option's own type; @key names it in an error.
 * Return: 0, or -1 with NE_BAD_INPUT; *@value may hold a part then.
 */
typedef int option_reader(void *value, const char *key, const char *text, struct ne_error *err);

/* A writer writes what the reader reads. */
typedef void option_writer(const void *value, char text[static NE_OPTION_TEXT]);

option_reader read_proxies, read_dns, read_targets, read_domains, read_flag, read_mode, read_refuse,
    read_rate, read_pace, read_bytes, read_log, read_role, read_mtu, read_bridge;
option_writer write_proxies, write_dns, write_targets, write_domains, write_flag, write_mode,
    write_refuse, write_rate, write_pace, write_bytes, write_log, write_mtu, write_bridge,
    write_role;

#define OPTION_SHOWN 80 /* most characters of a value that an error repeats */

#endif

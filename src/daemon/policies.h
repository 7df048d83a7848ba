/* policies.h - the operator's policy file, read at the start and on SIGHUP. */
#ifndef NETENFORCE_DAEMON_POLICIES_H
#define NETENFORCE_DAEMON_POLICIES_H

#include "settings.h"

#include <netenforce/driver.h>

/* policies_read() - Put what the file says in force; without one there is nothing to do. One that
 * is bad changes nothing, and is told in the log and by an event. Until a first one was good,
 * networks are not made. What cannot be put in force is tried again by policies_follow(), which is
 * to be called at each tick. Return: whether there is a file.
 */
bool policies_read(const struct settings *settings, struct ne_driver *driver);
void policies_follow(const struct settings *settings, struct ne_driver *driver);

#endif

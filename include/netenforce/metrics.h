/* metrics.h - numbers for Prometheus, in its text format (docs/interface.md names them). */
#ifndef NETENFORCE_METRICS_H
#define NETENFORCE_METRICS_H

#include <netenforce/audit.h>
#include <netenforce/driver.h>
#include <netenforce/event.h>
#include <netenforce/forwarder.h>

#define NE_METRICS_BUCKETS 13
#define NE_METRICS_METHODS 20

/* How long the requests of one method took. */
struct ne_durations {
    uint64_t buckets[NE_METRICS_BUCKETS]; /* each by itself, not the sum of those below */
    uint64_t count;
    double sum; /* seconds */
};

/* What is counted here. What others count (rules, packets, events) is asked of them. Zeroed, it is
 * a good beginning. */
struct ne_metrics {
    struct ne_durations durations[NE_METRICS_METHODS];
};

/* ne_metrics_request() - A request took so long. @path: of the engine's calls, the last part of
 * which is the method; or NULL, and @verb is the control API's. */
void ne_metrics_request(struct ne_metrics *metrics, const char *path, const char *verb,
                        double seconds);

/* ne_metrics_write() - Everything as text. @audit and @names may be NULL.
 * Return: to be freed, *@size its length; or NULL without memory.
 */
char *ne_metrics_write(struct ne_metrics *metrics, const struct ne_driver *driver,
                       const struct ne_audit *audit, const struct ne_forwarders *names,
                       size_t *size);

#endif

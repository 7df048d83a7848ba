/* internal.h - what the metrics' files share. */
#ifndef NETENFORCE_METRICS_INTERNAL_H
#define NETENFORCE_METRICS_INTERNAL_H

#include <netenforce/metrics.h>

/* Upper bounds of the buckets, in seconds. */
extern const double metrics_bounds[NE_METRICS_BUCKETS];

/* metrics_method() - The label of the durations at @position. */
const char *metrics_method(size_t position);

#endif

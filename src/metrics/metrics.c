/* metrics.c - what is counted by itself: see metrics.h. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* The last one is for what is none of these: whoever may ask must not make labels. */
static const char *const methods[NE_METRICS_METHODS] = {
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "NetworkDriver.AllocateNetwork",
    "NetworkDriver.FreeNetwork",
    "NetworkDriver.GwAllocCheck",
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
    "control GET",
    "control PATCH",
    "control POST",
    "other",
};

const double metrics_bounds[NE_METRICS_BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                   0.1,    0.25,  0.5,    1,     2.5,  5};

const char *metrics_method(size_t position) {
    return methods[position];
}

static size_t position_of(const char *method) {
    size_t last = NE_METRICS_METHODS - 1;
    for (size_t i = 0; i < last; i++) {
        if (strcmp(methods[i], method) == 0)
            return i;
    }
    return last;
}

void ne_metrics_request(struct ne_metrics *metrics, const char *path, const char *verb,
                        double seconds) {
    char control[32];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    const char *method = slash == NULL ? control : slash + 1;
    (void)snprintf(control, sizeof(control), "control %s", verb == NULL ? "" : verb);
    struct ne_durations *durations = &metrics->durations[position_of(method)];
    durations->count++;
    durations->sum += seconds;
    for (size_t i = 0; i < NE_METRICS_BUCKETS; i++) {
        if (seconds <= metrics_bounds[i]) {
            durations->buckets[i]++;
            break;
        }
    }
}

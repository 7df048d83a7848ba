/* version.h - the one place that says which version this is. */
#ifndef NETENFORCE_VERSION_H
#define NETENFORCE_VERSION_H

#define NE_VERSION "0.1.0"

#endif

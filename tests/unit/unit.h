/* unit.h - what every unit test includes, in cmocka's order. */
#ifndef NETENFORCE_TESTS_UNIT_H
#define NETENFORCE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif

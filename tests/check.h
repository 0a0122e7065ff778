/* check.h: the whole test framework: checks that print TAP.
 *
 * A test program is a list of functions run by RUN; it ends with return DONE(). A check
 * that fails is reported and the function goes on. SKIP says why a test cannot run. */
#ifndef LB_TESTS_CHECK_H
#define LB_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

static int check_count, check_failed_here, check_failed;
static const char *check_skip;

#define CHECK(cond) \
    do { \
        if (!(cond)) { \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
            check_failed_here++; \
        } \
    } while (0)
#define CHECK_NEAR(a, b, tolerance) \
    do { \
        const double a_ = (double)(a), b_ = (double)(b); \
        if (!(fabs(a_ - b_) <= (double)(tolerance))) { \
            printf("# %s:%d: %s is %.17g, not %.17g\n", __FILE__, __LINE__, #a, a_, b_); \
            check_failed_here++; \
        } \
    } while (0)
/* The call returns LB_OK; otherwise its error is shown. */
#define CHECK_OK(call, err) \
    do { \
        if ((call) != LB_OK) { \
            printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, (err)->text); \
            check_failed_here++; \
        } \
    } while (0)
/* text holds part. */
#define CHECK_TEXT(text, part) \
    do { \
        const char *text_ = (text); \
        if (!text_ || !strstr(text_, (part))) { \
            printf("# %s:%d: '%s' is not in '%s'\n", __FILE__, __LINE__, (part), \
                   text_ ? text_ : "(null)"); \
            check_failed_here++; \
        } \
    } while (0)
#define SKIP(why) (check_skip = (why))

static inline void check_end(const char *name)
{
    check_count++;
    if (check_failed_here) {
        check_failed++;
        printf("not ok %d - %s\n", check_count, name);
    } else if (check_skip) {
        printf("ok %d - %s # SKIP %s\n", check_count, name, check_skip);
    } else {
        printf("ok %d - %s\n", check_count, name);
    }
    check_failed_here = 0;
    check_skip = NULL;
    fflush(stdout);
}

#define RUN(function) (function(), check_end(#function))
#define DONE() (printf("1..%d\n", check_count), check_failed != 0)

#endif

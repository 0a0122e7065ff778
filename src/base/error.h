/* error.h: how limbeck says that something went wrong.
 *
 * A call that can fail returns lb_code and takes an lb_error last. On LB_OK the
 * lb_error is untouched; otherwise it holds one finished sentence for the user.
 * It lives on the caller's stack and never allocates, so it works when memory is
 * gone. Nothing in the library prints, exits or aborts. */
#ifndef LB_BASE_ERROR_H
#define LB_BASE_ERROR_H

typedef enum lb_code {
    LB_OK = 0,
    LB_ERR_INPUT,       /* what the user gave is wrong, and they can mend it */
    LB_ERR_UNSUPPORTED, /* it is right, but limbeck cannot do it */
    LB_ERR_BUDGET,      /* the student does not fit the device */
    LB_ERR_IO,          /* the disk, the network or another process */
    LB_ERR_FAILED,      /* the run went wrong: a loss that is not a number, say */
    LB_ERR_MEMORY,
    LB_ERR_STOPPED, /* asked to stop; state was saved */
    LB_ERR_BUG,     /* a broken promise inside limbeck */
} lb_code;

typedef struct lb_error {
    lb_code code;
    const char *src_file; /* where in limbeck; shown with --debug only */
    int src_line;
    char text[4000]; /* lower case, no full stop; cut, never overrun */
} lb_error;

#define LB_MUST_USE __attribute__((warn_unused_result))
#define LB_PRINTF(f, v) __attribute__((format(printf, f, v)))

/* Fills err and returns code:  return lb_raise(err, LB_ERR_IO, "cannot ..."); */
#define lb_raise(err, code, ...) \
    lb_second(lb_raise_at((err), (code), __FILE__, __LINE__, __VA_ARGS__), (code))

/* For broken internal promises:  if (!ok) return lb_bug(err, "what was broken"); */
#define lb_bug(err, ...) lb_raise((err), LB_ERR_BUG, "internal error: " __VA_ARGS__)

/* Hands a failure to the caller. Only where nothing needs cleaning up. */
#define LB_TRY(call) \
    do { \
        const lb_code code_ = (call); \
        if (code_ != LB_OK) \
            return code_; \
    } while (0)

lb_code lb_raise_at(lb_error *err, lb_code code, const char *file, int line,
                    const char *format, ...) LB_PRINTF(5, 6);

/* Lets static analysis see that lb_raise returns the code it was given. */
static inline lb_code lb_second(lb_code raised, lb_code code)
{
    (void)raised;
    return code;
}

/* Puts context before the text on the way up, and returns the code it holds:
 * "teacher.onnx: node 'conv1': stride must be positive, not 0". */
lb_code lb_within(lb_error *err, const char *format, ...) LB_PRINTF(2, 3);

#endif

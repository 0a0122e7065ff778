/* emit_test.c: the self-test that goes with the firmware, its Makefile and its README. */
#include "emit/emit_int.h"

static const char readme[] =
    "%1: a neural network as C99, emitted by limbeck.\n"
    "\n"
    "These files, the kernels (fw*.[ch]) among them, belong to whoever emitted them and\n"
    "may be used in any way, without notice and without warranty. limbeck's own licence\n"
    "does not reach them.\n"
    "\n"
    "  %1.h          what to call: %1_run(in, out); sizes; the map of the memory\n"
    "  %1.c          the steps, labelled with the nodes they come from\n"
    "  %1_weights.h  the weights, for flash\n"
    "  fw*.h, fw_*.c  the kernels in use; two networks may share them\n"
    "  selftest.c    runs vectors.h; the only file that needs stdio\n"
    "\n"
    "Build all but selftest.c into the firmware with a C99 compiler. No heap is used;\n"
    "the one arena is static. `make check` builds and runs the self-test here;\n"
    "CC and CFLAGS choose another compiler.\n";

static lb_code emit_makefile(lb_emission *e, lb_error *err)
{
    const bool int8 = e->low->dtype == LB_I8;
    lb_fw_file used[LB_FW_MOST];
    const int n = lb_emit_kernels(e->low, used);
    lb_text t;

    lb_text_init(&t, e->arena);
    lb_text_add(&t,
                "# make check: builds and runs the self-test on this machine.\n"
                "CFLAGS = -std=c99 -O2 -Wall -Wextra -Wconversion%s\n"
                "OBJECTS = %s.o",
                int8 ? "" : " -ffp-contract=off", e->name);
    for (int i = 0; i < n; i++)
        lb_text_add(&t, " fw_%s.o", used[i].stem);
    lb_text_add(&t,
                "\n\ncheck: selftest\n\t./selftest\n\n"
                "selftest: selftest.o $(OBJECTS)\n"
                "\t$(CC) $(CFLAGS) -o $@ selftest.o $(OBJECTS) -lm\n\n"
                "$(OBJECTS) selftest.o: %s %s.h %s_weights.h vectors.h\n\n",
                int8 ? "fw8.h fw8_rounding.h" : "fw.h", e->name, e->name);
    lb_emit_template(e, &t, e->form->rules);
    lb_text_add(&t, "clean:\n\trm -f selftest selftest.o $(OBJECTS)\n\n"
                    ".PHONY: check clean\n");
    return lb_emit_file(e, "Makefile", &t, err);
}

lb_code lb_emit_test(lb_emission *e, lb_error *err)
{
    lb_text t;

    if (e->options->n_vectors > 0) {
        LB_TRY(e->form->vectors(e, err));
        lb_text_init(&t, e->arena);
        lb_emit_template(e, &t, e->form->selftest);
        LB_TRY(lb_emit_file(e, "selftest.c", &t, err));
        LB_TRY(emit_makefile(e, err));
    }
    lb_text_init(&t, e->arena);
    lb_emit_template(e, &t, readme);
    lb_emit_template(e, &t, e->form->readme);
    return lb_emit_file(e, "README.txt", &t, err);
}

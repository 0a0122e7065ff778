/* fw_softmax.c: softmax of a vector. */
#include "fw.h"

#include <math.h>

void fw_softmax(const fw_shape *s, const float *x, float *y)
{
    const int n = s->out_h * s->out_w * s->out_c;
    float most = x[0], sum = 0;
    int i;

    for (i = 1; i < n; i++)
        if (x[i] > most)
            most = x[i];
    for (i = 0; i < n; i++) {
        y[i] = expf(x[i] - most);
        sum += y[i];
    }
    for (i = 0; i < n; i++)
        y[i] /= sum;
}

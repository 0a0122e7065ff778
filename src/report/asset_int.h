/* asset_int.h: the files of the page, embedded when limbeck is built (tools/embed). */
#ifndef LB_REPORT_ASSET_INT_H
#define LB_REPORT_ASSET_INT_H

#include <stddef.h>

typedef struct lb_asset {
    const unsigned char *bytes;
    size_t size;
} lb_asset;

extern const lb_asset lb_asset_page, lb_asset_css, lb_asset_script, lb_asset_roofline,
    lb_asset_inside, lb_asset_pressed, lb_asset_many, lb_asset_charts, lb_asset_chartjs;

#endif

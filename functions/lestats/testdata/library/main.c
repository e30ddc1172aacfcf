// geometric uses the C library's mathematics: the geometric mean of each state.
#include <math.h>

#include "lestats.h"

static lestats_string_column location = {.name = "location"};
static lestats_number_column value = {.name = "value"};
static lestats_code_result state = {.of = &location};
static lestats_number_result mean = {.name = "mean", .unit_of = LESTATS_REF(value)};

typedef struct { double logs; uint32_t count; } sum;

static const lestats_error *answer(lestats_job *job) {
    sum *sums = lestats_zeros(lestats_count(&location), sizeof(sum));
    const double *values = lestats_values(&value);
    const int32_t *codes = lestats_codes(&location);
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value), lestats_present(&location));
    while (lestats_next(&rows)) {
        if (values[rows.row] <= 0) continue;
        sum *s = &sums[codes[rows.row]];
        s->logs += log(values[rows.row]);
        s->count++;
    }
    for (uint32_t code = 0; code < lestats_count(&location); code++) {
        if (!sums[code].count) continue;
        lestats_append(&state, (int32_t)code);
        lestats_append(&mean, exp(sums[code].logs / sums[code].count));
    }
    return NULL;
}

static lestats_question geometric = {
    .name = "library",
    .result = {.keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(mean)}, .layout = LESTATS_LAYOUT_MAP},
    .answer = answer,
};
static lestats_plugin plugin = {
    .name = "library", .version = "1.0.0", .columns = {LESTATS_REF(location), LESTATS_REF(value)}, .questions = {&geometric},
};
LESTATS_SERVE(plugin)

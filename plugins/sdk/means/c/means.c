// The mean of each location: see ../README.md.
#include "lestats.h"

static lestats_string_column question = {.name = "question"};
static lestats_string_column location = {.name = "location"};
static lestats_number_column value = {.name = "value"};
static lestats_string_param survey = {.name = "question", .of = &question, .required = true, .select = true};
static lestats_code_result state = {.of = &location};
static lestats_number_result mean = {.name = "mean", .unit_of = LESTATS_REF(value)};

typedef struct { double total; uint32_t count; } sum;

static const lestats_error *means(lestats_job *job) {
    uint32_t states = lestats_count(&location);
    sum *sums = lestats_zeros(states, sizeof(sum));
    const double *values = lestats_values(&value);
    const int32_t *at = lestats_codes(&location);
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value), lestats_present(&location));
    while (lestats_next(&rows)) {
        sum *s = &sums[at[rows.row]];
        s->total += values[rows.row];
        s->count++;
    }
    for (uint32_t code = 0; code < states; code++) {
        if (!sums[code].count) continue;
        lestats_append(&state, (int32_t)code);
        lestats_append(&mean, sums[code].total / sums[code].count);
    }
    return NULL;
}

static lestats_question of_states = {
    .name = "means_c", .title = "Mean of each state", .params = {LESTATS_REF(survey)},
    .result = {.keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(mean)}, .layout = LESTATS_LAYOUT_MAP, .chart = LESTATS_CHART_NONE},
    .answer = means,
};
static lestats_plugin plugin = {
    .name = "means_c", .version = "1.0.0",
    .columns = {LESTATS_REF(question), LESTATS_REF(location), LESTATS_REF(value)}, .questions = {&of_states},
};
LESTATS_SERVE(plugin)

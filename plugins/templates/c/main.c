// my_plugin is a plugin for Le Stats Sportifs: see README.md.
#include "lestats.h"

// The columns that it reads.
static lestats_string_column question = {.name = "question"};
static lestats_string_column location = {.name = "location"};
static lestats_number_column value = {.name = "value"};

// Its parameters, and the columns of its result.
static lestats_string_param survey = {
    .name = "question", .title = "Survey question", .of = &question, .required = true, .select = true};
static lestats_number_param least = {.name = "least", .title = "Least spread", .min = "0", .fallback = "0"};

static lestats_code_result state = {.of = &location, .title = "State"};
static lestats_number_result spread = {
    .name = "spread", .title = "Highest minus lowest value", .unit_of = LESTATS_REF(value)};

typedef struct { double low, high; bool seen; } extremes;

static const lestats_error *answer(lestats_job *job) {
    const double *values = lestats_values(&value);
    const int32_t *locations = lestats_codes(&location);
    extremes *states = lestats_zeros(lestats_count(&location), sizeof(extremes));
    // The selected rows that have a value and a location.
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value), lestats_present(&location));
    while (lestats_next(&rows)) {
        double v = values[rows.row];
        extremes *s = &states[locations[rows.row]];
        if (!s->seen) *s = (extremes){v, v, true};
        if (v < s->low) s->low = v;
        if (v > s->high) s->high = v;
    }
    double above = 0;
    (void)lestats_get(&least, &above);
    for (uint32_t code = 0; code < lestats_count(&location); code++) {
        extremes *s = &states[code];
        if (!s->seen || s->high - s->low < above) continue;
        lestats_append(&state, (int32_t)code);
        lestats_append(&spread, s->high - s->low);
    }
    return NULL;
}

static lestats_question states_spread = {
    .name = "my_plugin", .title = "Spread of each state's values",
    .params = {LESTATS_REF(survey), LESTATS_REF(least)},
    .result = {
        .keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(spread)},
        .layout = LESTATS_LAYOUT_MAP, .chart = LESTATS_CHART_BAR,
    },
    // What the server's pages, plugin check and plugin run ask with.
    .example = "{\"question\": \"Percent of adults aged 18 years and older who have obesity\", \"least\": 24}",
    .answer = answer,
};

static lestats_plugin plugin = {
    .name = "my_plugin", .version = "1.0.0",
    .columns = {LESTATS_REF(question), LESTATS_REF(location), LESTATS_REF(value)},
    .questions = {&states_spread},
};
LESTATS_SERVE(plugin)

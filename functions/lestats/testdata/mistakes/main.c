// mistakes has a question for each mistake that newcomers make.
#include "lestats.h"

static lestats_string_column location = {.name = "location"};
static lestats_number_column value = {.name = "value"};
static lestats_integer_column year = {.name = "year"}; // not listed in .columns

static lestats_number_param least = {.name = "least", .min = "0"}; // not listed in .params

static lestats_code_result state = {.of = &location};
static lestats_number_result mean = {.name = "mean"};
static lestats_integer_result count = {.name = "count"}; // not listed in .result

static void row(int32_t code, double v) {
    lestats_append(&state, code);
    lestats_append(&mean, v);
}

static const lestats_error *forgot_column(lestats_job *job) {
    (void)job;
    row(0, (double)lestats_values(&year)[0]);
    return NULL;
}
static const lestats_error *forgot_present(lestats_job *job) {
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&year));
    row(0, lestats_next(&rows));
    return NULL;
}
static const lestats_error *forgot_parameter(lestats_job *job) {
    (void)job;
    double v = 0;
    (void)lestats_get(&least, &v);
    row(0, v);
    return NULL;
}
static const lestats_error *forgot_result(lestats_job *job) {
    (void)job;
    row(0, 1);
    lestats_append(&count, 1);
    return NULL;
}
static const lestats_error *uneven(lestats_job *job) {
    (void)job;
    row(0, 1);
    lestats_append(&mean, 1);
    return NULL;
}
static const lestats_error *nan_(lestats_job *job) {
    (void)job;
    row(0, __builtin_nan(""));
    return NULL;
}
static const lestats_error *duplicate_key(lestats_job *job) {
    (void)job;
    row(0, 1);
    row(0, 2);
    return NULL;
}
static const lestats_error *panics(lestats_job *job) {
    volatile int zero = 0;
    row(0, (double)((int)job->selected / zero));
    return NULL;
}
static const lestats_error *endless(lestats_job *job) {
    for (volatile uint32_t n = 0;; n++)
        if (job->selected == 0xFFFFFFFFu) break;
    return NULL;
}
static const lestats_error *huge(lestats_job *job) {
    (void)job;
    char *p = lestats_zeros(1 << 15, 1 << 15);
    row(0, p[5]);
    return NULL;
}

#define MISTAKE(id, answer_, layout_) \
    static lestats_question id##_question = { \
        .name = #id, .result = {.keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(mean)}, .layout = layout_}, .answer = answer_}
MISTAKE(forgot_column, forgot_column, "rows");
MISTAKE(forgot_present, forgot_present, "rows");
MISTAKE(forgot_parameter, forgot_parameter, "rows");
MISTAKE(forgot_result, forgot_result, "rows");
MISTAKE(uneven, uneven, "rows");
MISTAKE(nan, nan_, "rows");
MISTAKE(duplicate_key, duplicate_key, "map");
MISTAKE(panics, panics, "rows");
MISTAKE(endless, endless, "rows");
MISTAKE(huge, huge, "rows");

static lestats_plugin plugin = {
    .name = "mistakes", .version = "1.0.0", .columns = {LESTATS_REF(location), LESTATS_REF(value)},
    .questions = {
        &forgot_column_question, &forgot_present_question, &forgot_parameter_question, &forgot_result_question, &uneven_question,
        &nan_question, &duplicate_key_question, &panics_question, &endless_question, &huge_question,
    },
};
LESTATS_SERVE(plugin)

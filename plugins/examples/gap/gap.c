// gap answers, for each state, how far apart the groups of a category are: the largest
// difference between the means of two strata, and which two.
#include "lestats.h"

static lestats_string_column question = {.name = "question"};
static lestats_string_column location = {.name = "location"};
static lestats_string_column category = {.name = "category"};
static lestats_string_column stratum = {.name = "stratum"};
static lestats_number_column value = {.name = "value"};

static lestats_string_param survey = {
    .name = "question", .title = "Survey question", .of = &question, .required = true, .select = true};
static lestats_string_param of_category = {
    .name = "category", .title = "Category", .description = "Whose groups are compared.", .of = &category, .required = true};

static lestats_code_result state = {.of = &location, .title = "State"};
static lestats_number_result gap = {.name = "gap", .title = "Widest difference", .unit_of = LESTATS_REF(value)};
static lestats_code_result lowest = {.of = &stratum, .name = "lowest", .title = "Group with the lowest mean"};
static lestats_code_result highest = {.of = &stratum, .name = "highest", .title = "Group with the highest mean"};

typedef struct { double total; uint32_t count; } sum;

static const lestats_error *answer(lestats_job *job) {
    int32_t wanted = 0;
    (void)lestats_get(&of_category, &wanted); // it is required
    uint32_t locations = lestats_count(&location), strata = lestats_count(&stratum);
    if ((uint64_t)locations * strata > 1 << 21) return lestats_failed(LESTATS_TEXT("there are too many groups to compare"));
    sum *sums = lestats_zeros(locations * strata, sizeof(sum));

    const double *values = lestats_values(&value);
    const int32_t *at = lestats_codes(&location), *in = lestats_codes(&stratum);
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value), lestats_present(&location), lestats_present(&stratum),
                                     lestats_is(&category, wanted));
    while (lestats_next(&rows)) {
        sum *s = &sums[(uint32_t)at[rows.row] * strata + (uint32_t)in[rows.row]];
        s->total += values[rows.row];
        s->count++;
    }

    for (uint32_t l = 0; l < locations; l++) {
        double low = 0, high = 0;
        int32_t low_code = -1, high_code = -1;
        for (uint32_t k = 0; k < strata; k++) {
            sum *s = &sums[l * strata + k];
            if (!s->count) continue;
            double mean = s->total / s->count;
            if (low_code < 0 || mean < low) low = mean, low_code = (int32_t)k;
            if (high_code < 0 || mean > high) high = mean, high_code = (int32_t)k;
        }
        if (low_code == high_code) continue; // fewer than two groups, or all alike
        lestats_append(&state, (int32_t)l);
        lestats_append(&gap, high - low);
        lestats_append(&lowest, low_code);
        lestats_append(&highest, high_code);
    }
    if (!lestats_result_len(&state)) return lestats_no_data(&of_category, LESTATS_TEXT("no state has two groups that differ"));
    return NULL;
}

static lestats_question gap_by_state = {
    .name = "gap_by_state", .title = "Widest gap between groups",
    .description = "How far the means of a category's groups lie apart in each state, and which groups they are.",
    .params = {LESTATS_REF(survey), LESTATS_REF(of_category)},
    .result = {
        .keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(gap), LESTATS_REF(lowest), LESTATS_REF(highest)},
        .layout = LESTATS_LAYOUT_MAP, .chart = LESTATS_CHART_MAP,
    },
    .example = "{\"question\": \"Percent of adults aged 18 years and older who have obesity\", \"category\": \"Income\"}",
    .answer = answer,
};

static lestats_plugin plugin = {
    .name = "gap", .version = "1.0.0", .title = "Gap", .license = "Apache-2.0",
    .columns = {LESTATS_REF(question), LESTATS_REF(location), LESTATS_REF(category), LESTATS_REF(stratum), LESTATS_REF(value)},
    .questions = {&gap_by_state},
};
LESTATS_SERVE(plugin)

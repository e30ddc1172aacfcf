// golden_test opens and asks the plugins of plugins/abi/testdata natively, and
// compares their answers with the golden bytes. Its argument is that folder.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lestats.h"
#include "lestats_test.h"

// --- the example of ABI.md ---

static lestats_string_column location = {.name = "location"};
static lestats_number_column value = {.name = "value"};
static lestats_string_param state = {.name = "state", .title = "State", .of = &location, .required = true};
static lestats_code_result key = {.of = &location, .title = "State"};
static lestats_number_result mean = {.name = "mean", .unit_of = LESTATS_REF(value)};

static const lestats_error *state_mean(lestats_job *job) {
    int32_t code = 0;
    (void)lestats_get(&state, &code);
    const double *values = lestats_values(&value);
    double sum = 0;
    int n = 0;
    lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value), lestats_is(&location, code));
    while (lestats_next(&rows)) sum += values[rows.row], n++;
    if (!n) return lestats_no_data(&state, lestats_concat(LESTATS_TEXT("no value for "), lestats_text(&location, code)));
    lestats_append(&key, code);
    lestats_append(&mean, sum / n);
    return NULL;
}

static lestats_question state_mean_question = {
    .name = "state_mean", .title = "Mean of one state", .params = {LESTATS_REF(state)},
    .result = {.keys = {LESTATS_REF(key)}, .values = {LESTATS_REF(mean)}, .layout = LESTATS_LAYOUT_MAP, .chart = LESTATS_CHART_BAR},
    .answer = state_mean,
};
static lestats_plugin example = {
    .name = "example", .version = "1.0.0", .title = "Example", .license = "Apache-2.0",
    .columns = {LESTATS_REF(location), LESTATS_REF(value)}, .questions = {&state_mean_question},
};

// --- every kind ---

static lestats_string_column city = {.name = "city"};
static lestats_number_column score = {.name = "score"};
static lestats_integer_column year = {.name = "year", .optional = true};
static lestats_string_column remark = {.name = "remark", .optional = true}; // which the dataset does not have
static lestats_string_param city_param = {
    .name = "city", .title = "City", .description = "Some.", .of = &city, .required = true, .list = true};
static lestats_number_param least = {.name = "least", .min = "0.5", .max = "99.5", .fallback = "10.5"};
static lestats_integer_param year_param = {.name = "year", .min = "-5", .max = "9"};
static lestats_choice_param mode = {.name = "mode", .choices = {"plain", "loud"}, .fallback = "plain"};
static lestats_boolean_param exact = {.name = "exact", .fallback = "false"};
static lestats_number_param score_param = {.name = "score", .of = &score, .select = true};
static lestats_code_result city_result = {.of = &city};
static lestats_string_result note = {.name = "note", .title = "Note"};
static lestats_number_result score_result = {.name = "score", .unit_of = LESTATS_REF(score), .shows = LESTATS_SHOWS_MEAN};
static lestats_integer_result n_result = {.name = "n", .unit = "rows", .shows = LESTATS_SHOWS_COUNT};

static const lestats_error *echo(lestats_job *job) {
    int64_t y = 0;
    if (lestats_get(&year_param, &y))
        return lestats_bad_param(&year_param, lestats_concat(LESTATS_TEXT("the year "),
                                 lestats_concat(lestats_integer_text(y), LESTATS_TEXT(" is not to be given"))));
    double bound = 0, wanted = 0;
    uint32_t loud = 0;
    bool is = false;
    if (!lestats_get(&least, &bound) || !lestats_get(&mode, &loud) || !lestats_get(&exact, &is) || !is)
        return lestats_failed(LESTATS_TEXT("exact is false"));
    if (!lestats_get(&score_param, &wanted) || wanted != 7.25 || lestats_unit(&score).len != 1 || lestats_missing(&year) != 4 ||
        lestats_code(&city, LESTATS_TEXT("Chur")) != 1 || lestats_code(&city, LESTATS_TEXT("Chu")) != -1 || lestats_count(&city) != 3)
        return lestats_failed(LESTATS_TEXT("the score's, its unit or the missing years are wrong"));
    lestats_rows remarks = LESTATS_ROWS(job, lestats_present(&remark));
    if (lestats_code(&remark, LESTATS_TEXT("none")) != -1 || lestats_count(&remark) || lestats_missing(&remark) != 70 || lestats_next(&remarks))
        return lestats_failed(LESTATS_TEXT("the remarks have values"));
    for (uint32_t i = 0; i < lestats_len(&city_param); i++) {
        int32_t code = lestats_at(&city_param, i);
        lestats_rows rows = LESTATS_ROWS(job, lestats_present(&score), lestats_present(&year), lestats_is(&city, code));
        while (lestats_next(&rows)) {
            double v = lestats_values(&score)[rows.row];
            lestats_append(&city_result, code);
            if (v < bound) lestats_append_missing(&note);
            else lestats_append(&note, lestats_concat(lestats_text(&city, code), loud ? LESTATS_TEXT("!") : LESTATS_TEXT("")));
            lestats_append(&score_result, v);
            lestats_extend(&n_result, 1)[0] = lestats_values(&year)[rows.row];
        }
    }
    lestats_append_missing(&city_result);
    lestats_append_missing(&note);
    lestats_append_missing(&score_result);
    lestats_append_missing(&n_result);
    return NULL;
}

static lestats_question first = {
    .name = "first", .result = {.values = {LESTATS_REF(n_result)}, .layout = LESTATS_LAYOUT_RECORD},
    .needs = {LESTATS_REF(year), LESTATS_REF(remark)},
};
static lestats_question echo_question = {
    .name = "echo", .title = "Echo", .description = "Says what it was given.",
    .params = {LESTATS_REF(city_param), LESTATS_REF(least), LESTATS_REF(year_param), LESTATS_REF(mode), LESTATS_REF(exact),
               LESTATS_REF(score_param)},
    .result = {.keys = {LESTATS_REF(city_result), LESTATS_REF(note)}, .values = {LESTATS_REF(score_result), LESTATS_REF(n_result)},
               .layout = LESTATS_LAYOUT_ROWS, .chart = LESTATS_CHART_NONE},
    .needs = {LESTATS_REF(year)},
    .example = "{\"city\":[\"Oslo\"],\"where\":{\"year\":{\"min\":-5}}}",
    .answer = echo,
};
static lestats_plugin kinds = {
    .name = "kinds", .version = "1.0.0", .description = "Every kind: \"quoted\" \\ \t.", .homepage = "about:blank",
    .columns = {LESTATS_REF(city), LESTATS_REF(score), LESTATS_REF(year), LESTATS_REF(remark)}, .questions = {&first, &echo_question},
};

// --- the test ---

static int passed, failed;

static void check(const char *what, bool ok) {
    ok ? passed++ : (failed++, printf("FAIL %s\n", what));
}

static const char *folder;

static char *read_file(const char *name, const char *end, size_t *n) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, end);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    char *b = malloc(1 << 16);
    *n = fread(b, 1, 1 << 16, f);
    fclose(f);
    return b;
}

// load puts a golden file in place and returns what travels.
static uint64_t load(const char *name, const char *end) {
    size_t n, i = 8;
    char *b = read_file(name, end, &n);
    uint64_t packed;
    memcpy(&packed, b, 8);
    while (i < n) {
        uint32_t head[2];
        memcpy(head, b + i, 8);
        memcpy(lestats_block + head[0], b + i + 8, head[1]);
        i += 8 + head[1];
    }
    free(b);
    return packed;
}

static bool same(uint32_t a, uint32_t b, uint32_t n) { return !memcmp(lestats_pointer(a), lestats_pointer(b), n); }

// equal compares two responses, pointers followed.
static bool equal(uint64_t got, uint64_t want) {
    lestats_response *a = lestats_pointer((uint32_t)(got >> 32)), *b = lestats_pointer((uint32_t)(want >> 32));
    if ((uint32_t)got != (uint32_t)want || memcmp(a, b, 20) || a->reserved || !a->error != !b->error) return false;
    if (a->error) {
        lestats_error *e = lestats_pointer(a->error), *f = lestats_pointer(b->error);
        return !memcmp(e, f, 16) && e->text_len == f->text_len && same(e->text, f->text, e->text_len) && !memcmp(e->reserved, f->reserved, 8);
    }
    lestats_table *s = lestats_pointer(a->tables), *t = lestats_pointer(b->tables);
    if (memcmp(s, t, 16) || memcmp(s->reserved, t->reserved, 12)) return false;
    for (uint32_t i = 0; i < s->column_count; i++) {
        lestats_column c = *(lestats_column *)lestats_pointer(s->columns + 64 * i), d = *(lestats_column *)lestats_pointer(t->columns + 64 * i);
        if (!same(c.data, d.data, d.data_len) || !same(c.validity, d.validity, d.validity_len) || !c.validity != !d.validity ||
            !same(c.dict_bytes, d.dict_bytes, d.dict_bytes_len) ||
            (d.type == LESTATS_STRING && !same(c.dict_offsets, d.dict_offsets, 4 * d.dict_count + 4)))
            return false;
        c.data = d.data, c.validity = d.validity, c.dict_bytes = d.dict_bytes, c.dict_offsets = d.dict_offsets;
        if (memcmp(&c, &d, 64)) return false;
    }
    return true;
}

static char logged[64];
static void on_log(uint32_t level, lestats_str text) { snprintf(logged, sizeof logged, "%u %.*s", level, (int)text.len, text.bytes); }
static int64_t steps[2];
static void on_progress(int64_t done, int64_t total) { steps[0] = done, steps[1] = total; }

static void golden(const char *name, lestats_plugin *plugin) {
    lestats_served = plugin;
    lestats_json = (lestats_buffer){0};
    uint64_t packed = lestats_describe();
    size_t n;
    char *want = read_file(name, "_manifest.json", &n);
    check("manifest", (uint32_t)packed == n && !memcmp(lestats_pointer((uint32_t)(packed >> 32)), want, n));
    free(want);
    packed = load(name, "_directory.bin");
    check("open", lestats_open((uint32_t)(packed >> 32), (uint32_t)packed) == 0);
    for (int i = 0; i < 3; i++) { // the first again: no job leaves anything behind
        packed = load(name, i == 1 ? "_error_request.bin" : "_request.bin");
        uint64_t got = lestats_answer((uint32_t)(packed >> 32), (uint32_t)packed);
        check(i == 1 ? "error" : "response", equal(got, load(name, i == 1 ? "_error_response.bin" : "_response.bin")));
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    lestats_block_size = 4 << 20;
    lestats_block = aligned_alloc(64, lestats_block_size);
    memset(lestats_block, 0, lestats_block_size);
    golden("example", &example);
    golden("kinds", &kinds);

    lestats_on_log = on_log, lestats_on_progress = on_progress;
    lestats_log(LESTATS_WARN, LESTATS_TEXT("careful"));
    lestats_progress(3, 7);
    check("log and progress", !strcmp(logged, "2 careful") && steps[0] == 3 && steps[1] == 7);
    check("alloc", lestats_reserve(1, 3) == 0 && lestats_reserve(1, 65536) % 65536 == 0 && lestats_reserve(64 << 20, 8) == 0);
    lestats_str least_integer = lestats_integer_text(INT64_MIN);
    check("integer", least_integer.len == 20 && !memcmp(least_integer.bytes, "-9223372036854775808", 20));

    // A directory of another plugin, and a request for a question that there is none of.
    uint64_t packed = load("example", "_directory.bin");
    lestats_response *r = lestats_pointer((uint32_t)(lestats_open((uint32_t)(packed >> 32), (uint32_t)packed) >> 32));
    check("another's directory", r->status == 1 && ((lestats_error *)lestats_pointer(r->error))->code == LESTATS_ERR_DATASET);
    packed = load("kinds", "_request.bin");
    ((lestats_request *)lestats_pointer((uint32_t)(packed >> 32)))->question = 2;
    r = lestats_pointer((uint32_t)(lestats_answer((uint32_t)(packed >> 32), (uint32_t)packed) >> 32));
    check("no such question", r->status == 1 && ((lestats_error *)lestats_pointer(r->error))->code == LESTATS_ERR_FAILED);

    // In a plugin's own test an optional column may be left out.
    LESTATS_STRINGS(city, "Bern", NULL, "Chur");
    LESTATS_NUMBERS(score, 1, 2, LESTATS_MISSING);
    memset(&year.data, 0, sizeof year.data);
    memset(&remark.data, 0, sizeof remark.data);
    bool is_open = lestats_test_open(&kinds) == NULL;
    lestats_rows none = LESTATS_ROWS(&lestats_current, lestats_present(&year));
    check("a test without the optional columns",
          is_open && lestats_missing(&year) == 3 && !lestats_count(&remark) && lestats_missing(&remark) == 3 && !lestats_next(&none));

    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

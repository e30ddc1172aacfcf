// lestats_test.h runs a plugin natively, in an ordinary test, where a debugger works.
// Include it after the plugin's source:
//
//     #include "../main.c"
//     #include "lestats_test.h"
//
//     int main(void) {
//         LESTATS_STRINGS(location, "Ohio", "Utah", "Ohio");
//         LESTATS_NUMBERS(value, 30, 20, LESTATS_MISSING);
//         LESTATS_EXPECT(lestats_test_open(&plugin) == NULL);
//         lestats_give(&state, "Ohio");
//         LESTATS_EXPECT(lestats_test_ask(&question) == NULL);
//         LESTATS_EXPECT(lestats_test_number(&mean, 0) == 30);
//         return lestats_test_failed;
//     }
//
// A row of a column is as in the dataset: a text that is NULL, or a number that is
// LESTATS_MISSING, has no value. A parameter that is not given has its default, and
// .select leaves only the rows with the value, as on a server.
#ifndef LESTATS_TEST_H
#define LESTATS_TEST_H

#ifdef __wasm__
#error "lestats_test.h is for native tests"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LESTATS_MISSING NAN

static int lestats_test_failed; // 1 after an expectation that did not hold

// LESTATS_EXPECT reports a condition that does not hold, and goes on.
#define LESTATS_EXPECT(condition) \
    ((condition) ? (void)0 : (void)(lestats_test_failed = 1, fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition)))

LESTATS_COLD void lestats_test_stop(const char *what, const char *name) {
    fprintf(stderr, "the test of the plugin: %s: %s\n", name ? name : "", what);
    exit(2);
}

// --- the dataset ---

enum { LESTATS_TEST_MAX = 64 };
static struct { const char *name; lestats_data data; } lestats_test_columns[LESTATS_TEST_MAX];
static uint32_t lestats_test_column_count, lestats_test_rows_of_dataset;
static _Alignas(65536) unsigned char lestats_test_memory[64u << 20];

LESTATS_COLD lestats_data *lestats_test_column(const char *name, uint32_t rows) {
    if (!lestats_block) {
        lestats_block = lestats_test_memory;
        lestats_block_size = sizeof lestats_test_memory;
    }
    if (lestats_test_column_count == LESTATS_TEST_MAX) lestats_test_stop("there are too many columns", name);
    if (lestats_test_column_count && rows != lestats_test_rows_of_dataset) lestats_test_stop("it has not as many rows as the columns before", name);
    lestats_test_rows_of_dataset = rows;
    lestats_test_columns[lestats_test_column_count].name = name;
    return &lestats_test_columns[lestats_test_column_count++].data;
}

static inline void lestats_test_bit(lestats_data *d, uint32_t rows, uint32_t row, bool present) {
    uint64_t *valid = (uint64_t *)d->valid;
    if (!valid) d->valid = valid = lestats_zeros(rows / 64 + 1, 8);
    if (present) valid[row / 64] |= 1ull << (row % 64);
    else d->missing++;
}

LESTATS_COLD void lestats_test_add_numbers(const char *name, const double *values, uint32_t rows) {
    lestats_data *d = lestats_test_column(name, rows);
    d->values = memcpy(lestats_zeros(rows + 64, 8), values, rows * sizeof *values);
    for (uint32_t i = 0; i < rows; i++) lestats_test_bit(d, rows, i, !isnan(values[i]));
}
LESTATS_COLD void lestats_test_add_integers(const char *name, const double *values, uint32_t rows) {
    lestats_data *d = lestats_test_column(name, rows);
    int64_t *to = lestats_zeros(rows + 64, 8);
    for (uint32_t i = 0; i < rows; i++) {
        if (!isnan(values[i])) to[i] = (int64_t)values[i];
        lestats_test_bit(d, rows, i, !isnan(values[i]));
    }
    d->values = to;
}

static inline int lestats_test_order(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

LESTATS_COLD void lestats_test_add_strings(const char *name, const char *const *values, uint32_t rows) {
    lestats_data *d = lestats_test_column(name, rows);
    const char **sorted = lestats_zeros(rows + 1, sizeof *sorted);
    uint32_t n = 0, size = 0;
    for (uint32_t i = 0; i < rows; i++)
        if (values[i]) sorted[n++] = values[i];
    qsort(sorted, n, sizeof *sorted, lestats_test_order);
    for (uint32_t i = 0; i < n; i++) {
        if (i && !strcmp(sorted[i], sorted[d->count - 1])) continue;
        sorted[d->count++] = sorted[i];
        size += (uint32_t)strlen(sorted[i]);
    }
    uint32_t *offsets = lestats_zeros(d->count + 1, 4);
    char *bytes = lestats_zeros(size + 1, 1);
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t len = (uint32_t)strlen(sorted[i]);
        memcpy(bytes + offsets[i], sorted[i], len);
        offsets[i + 1] = offsets[i] + len;
    }
    int32_t *codes = lestats_zeros(rows + 64, 4);
    for (uint32_t i = 0; i < rows; i++) {
        lestats_test_bit(d, rows, i, values[i] != NULL);
        for (uint32_t k = 0; values[i] && k < d->count; k++)
            if (!strcmp(sorted[k], values[i])) codes[i] = (int32_t)k;
    }
    d->values = codes;
    d->offsets = offsets;
    d->bytes = bytes;
}

// LESTATS_NUMBERS(column, values...) has the values of a column, one per row, and so have
// LESTATS_INTEGERS and LESTATS_STRINGS.
#define LESTATS_NUMBERS(c, ...) \
    lestats_test_add_numbers((c).name, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define LESTATS_INTEGERS(c, ...) \
    lestats_test_add_integers((c).name, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define LESTATS_STRINGS(c, ...) \
    lestats_test_add_strings((c).name, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

// lestats_test_absent is an optional column that the test does not give.
LESTATS_COLD lestats_data lestats_test_absent(const char *name) {
    uint32_t rows = lestats_test_rows_of_dataset;
    lestats_data *d = lestats_test_column(name, rows);
    return *d = (lestats_data){
        .values = lestats_zeros(rows + 64, 8), .valid = lestats_zeros(rows / 64 + 1, 8), .offsets = lestats_zeros(1, 4), .bytes = "", .missing = rows};
}

// lestats_test_open opens a plugin on the columns, and returns its error, or NULL. As on a
// server, a column that the plugin does not list cannot be read, and no row has a value in an
// optional column that is not given.
LESTATS_COLD const lestats_error *lestats_test_open(lestats_plugin *p) {
    lestats_served = p;
    for (const lestats_ref *r = p->columns; r->kind; r++) {
        const char *name = lestats_column_name(*r);
        lestats_data *to = lestats_data_of(*r);
        for (uint32_t i = 0; i < lestats_test_column_count; i++)
            if (!strcmp(lestats_test_columns[i].name, name)) *to = lestats_test_columns[i].data;
        if (!to->values && lestats_is_optional(*r)) *to = lestats_test_absent(name);
        if (!to->values) lestats_test_stop("the test gives no values of this column, which the plugin lists", name);
        to->listed = true;
    }
    lestats_all = (lestats_range){0, lestats_test_rows_of_dataset};
    lestats_current = (lestats_job){&lestats_all, lestats_all.count > 0, lestats_all.count};
    lestats_opened = true;
    return p->open ? p->open(&lestats_current) : NULL;
}

// --- a question ---

static struct { const void *param; uint64_t values[LESTATS_MAX]; uint32_t count; } lestats_test_given[LESTATS_MAX];
static uint32_t lestats_test_given_count;

LESTATS_COLD void lestats_test_give(const void *param, uint64_t value) {
    uint32_t i = 0;
    while (i < lestats_test_given_count && lestats_test_given[i].param != param) i++;
    if (i == LESTATS_MAX || lestats_test_given[i].count == LESTATS_MAX) lestats_test_stop("too many values are given", NULL);
    if (i == lestats_test_given_count) lestats_test_given_count++, lestats_test_given[i].count = 0;
    lestats_test_given[i].param = param;
    lestats_test_given[i].values[lestats_test_given[i].count++] = value;
}
static inline void lestats_give_number(const lestats_number_param *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    lestats_test_give(p, bits);
}
static inline void lestats_give_integer(const lestats_integer_param *p, int64_t value) { lestats_test_give(p, (uint64_t)value); }
static inline void lestats_give_boolean(const lestats_boolean_param *p, bool value) { lestats_test_give(p, value); }
static inline void lestats_give_string(const lestats_string_param *p, const char *text) {
    int32_t code = lestats_code(p->of, lestats_text_of(text));
    if (code < 0) lestats_test_stop("its column has no such value in the test", text);
    lestats_test_give(p, (uint64_t)code);
}
static inline void lestats_give_choice(const lestats_choice_param *p, const char *text) {
    uint32_t i = 0;
    while (i < LESTATS_MAX && p->choices[i] && strcmp(p->choices[i], text)) i++;
    if (i == LESTATS_MAX || !p->choices[i]) lestats_test_stop("there is no such choice", text);
    lestats_test_give(p, i);
}

// lestats_give gives a value to a parameter of the next question: a text, a number, an
// integer or a bool. Give several to a parameter that takes a list.
#define lestats_give(p, value) _Generic((p), \
    lestats_string_param *: lestats_give_string, lestats_number_param *: lestats_give_number, \
    lestats_integer_param *: lestats_give_integer, lestats_choice_param *: lestats_give_choice, \
    lestats_boolean_param *: lestats_give_boolean)(p, value)

LESTATS_COLD const char *lestats_test_param(lestats_ref r, const char **fallback, lestats_ref *of) {
    *fallback = NULL;
    *of = (lestats_ref){0};
    switch (r.kind) {
    case LESTATS_STRING_PARAM: {
        lestats_string_param *p = r.handle;
        *fallback = p->fallback;
        if (p->select) *of = (lestats_ref){LESTATS_STRING_COLUMN, (void *)p->of};
        return p->name;
    }
    case LESTATS_NUMBER_PARAM: {
        lestats_number_param *p = r.handle;
        *fallback = p->fallback;
        if (p->select) *of = (lestats_ref){LESTATS_NUMBER_COLUMN, (void *)p->of};
        return p->name;
    }
    case LESTATS_INTEGER_PARAM: {
        lestats_integer_param *p = r.handle;
        *fallback = p->fallback;
        if (p->select) *of = (lestats_ref){LESTATS_INTEGER_COLUMN, (void *)p->of};
        return p->name;
    }
    case LESTATS_CHOICE_PARAM: *fallback = ((lestats_choice_param *)r.handle)->fallback; return ((lestats_choice_param *)r.handle)->name;
    default: *fallback = ((lestats_boolean_param *)r.handle)->fallback; return ((lestats_boolean_param *)r.handle)->name;
    }
}
LESTATS_COLD void lestats_test_fall_back(lestats_ref r, const char *text) {
    switch (r.kind) {
    case LESTATS_STRING_PARAM: lestats_give_string(r.handle, text); break;
    case LESTATS_NUMBER_PARAM: lestats_give_number(r.handle, strtod(text, NULL)); break;
    case LESTATS_INTEGER_PARAM: lestats_give_integer(r.handle, strtoll(text, NULL, 10)); break;
    case LESTATS_CHOICE_PARAM: lestats_give_choice(r.handle, text); break;
    default: lestats_give_boolean(r.handle, !strcmp(text, "true"));
    }
}
// lestats_test_has says whether a row of a column has one of the values.
LESTATS_COLD bool lestats_test_has(lestats_ref column, uint32_t row, const lestats_given *given) {
    const lestats_data *d = lestats_data_of(column);
    if (!(d->valid[row / 64] >> (row % 64) & 1)) return false;
    uint64_t value = 0;
    if (column.kind == LESTATS_STRING_COLUMN) value = (uint64_t)((const int32_t *)d->values)[row];
    else memcpy(&value, (const char *)d->values + 8 * (size_t)row, 8);
    for (uint32_t i = 0; i < given->count; i++)
        if (given->values[i] == value) return true;
    return false;
}

// lestats_test_ask asks a question with what was given, and returns its error, or NULL.
LESTATS_COLD const lestats_error *lestats_test_ask(lestats_question *q) {
    if (!lestats_opened) lestats_test_stop("it is asked before lestats_test_open", q->name);
    lestats_asked = q;
    bool *selected = lestats_zeros(lestats_all.count + 1, sizeof(bool));
    memset(selected, true, lestats_all.count);
    for (const lestats_ref *r = q->params; r->kind; r++) {
        const char *fallback;
        lestats_ref of;
        const char *name = lestats_test_param(*r, &fallback, &of);
        uint32_t i = 0;
        while (i < lestats_test_given_count && lestats_test_given[i].param != r->handle) i++;
        if (i == lestats_test_given_count && fallback) lestats_test_fall_back(*r, fallback);
        lestats_given given = {NULL, 0, q};
        if (i < lestats_test_given_count) {
            given.count = lestats_test_given[i].count;
            given.values = memcpy(lestats_zeros(given.count, 8), lestats_test_given[i].values, 8 * (size_t)given.count);
        }
        *lestats_given_of(*r) = given;
        if (of.kind && !lestats_data_of(of)->listed) lestats_test_stop("the plugin does not list the column of this parameter", name);
        for (uint32_t row = 0; of.kind && given.count && row < lestats_all.count; row++) selected[row] &= lestats_test_has(of, row, &given);
    }
    lestats_test_given_count = 0;
    lestats_range *ranges = lestats_zeros(lestats_all.count + 1, sizeof *ranges);
    lestats_current = (lestats_job){ranges, 0, 0};
    for (uint32_t row = 0; row < lestats_all.count; row++) {
        if (!selected[row]) continue;
        if (!row || !selected[row - 1]) ranges[lestats_current.range_count++].start = row;
        ranges[lestats_current.range_count - 1].count++;
        lestats_current.selected++;
    }
    lestats_reset(q->result.keys, q);
    lestats_reset(q->result.values, q);
    const lestats_error *e = q->answer(&lestats_current);
    if (e) return e;
    uint32_t rows = lestats_output_of(q->result.keys[0].kind ? q->result.keys[0] : q->result.values[0])->rows;
    for (int of_values = 0; of_values < 2; of_values++)
        for (const lestats_ref *r = of_values ? q->result.values : q->result.keys; r->kind; r++)
            if (lestats_output_of(*r)->rows != rows) return lestats_uneven(q, *r, rows);
    return rows ? NULL : lestats_no_data(NULL, LESTATS_TEXT("no selected row has what the question needs"));
}

// lestats_test_reason is the text of an error.
LESTATS_COLD const char *lestats_test_reason(const lestats_error *e) {
    char *text = lestats_zeros(e->text_len + 1, 1);
    return memcpy(text, lestats_pointer(e->text), e->text_len);
}

// --- its result ---

LESTATS_COLD bool lestats_test_present(const lestats_output *o, uint32_t row, const char *name) {
    if (row >= o->rows) lestats_test_stop("the result has fewer rows", name);
    for (uint32_t i = 0; i < o->missing.len / 4; i++)
        if (((const uint32_t *)o->missing.at)[i] == row) return false;
    return true;
}
static inline double lestats_test_number_of(const lestats_number_result *r, uint32_t row) {
    return lestats_test_present(&r->out, row, r->name) ? ((const double *)r->out.data.at)[row] : LESTATS_MISSING;
}
static inline double lestats_test_integer_of(const lestats_integer_result *r, uint32_t row) {
    return lestats_test_present(&r->out, row, r->name) ? (double)((const int64_t *)r->out.data.at)[row] : LESTATS_MISSING;
}
LESTATS_COLD const char *lestats_test_copy(lestats_str text) {
    char *copy = lestats_zeros(text.len + 1, 1);
    return memcpy(copy, text.bytes, text.len);
}
static inline const char *lestats_test_code_of(const lestats_code_result *r, uint32_t row) {
    if (!lestats_test_present(&r->out, row, lestats_code_name(r))) return NULL;
    return lestats_test_copy(lestats_text(r->of, ((const int32_t *)r->out.data.at)[row]));
}
static inline const char *lestats_test_string_of(const lestats_string_result *r, uint32_t row) {
    if (!lestats_test_present(&r->out, row, r->name)) return NULL;
    const uint32_t *offsets = r->out.offsets.at;
    return lestats_test_copy((lestats_str){(const char *)r->out.bytes.at + offsets[row], offsets[row + 1] - offsets[row]});
}

// lestats_test_number returns a row of a column of the result, LESTATS_MISSING if it has no value.
#define lestats_test_number(r, row) _Generic((r), \
    lestats_number_result *: lestats_test_number_of, lestats_integer_result *: lestats_test_integer_of)(r, row)

// lestats_test_text returns a row of a column of the result, NULL if it has no value.
#define lestats_test_text(r, row) _Generic((r), \
    lestats_code_result *: lestats_test_code_of, lestats_string_result *: lestats_test_string_of)(r, row)

#endif

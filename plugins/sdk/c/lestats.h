// lestats.h is what a plugin for Le Stats Sportifs is written with, in C: this
// one header, no libc, no library. A plugin declares the columns that it reads,
// its questions with their parameters and results, and a function for each:
//
//     #include "lestats.h"
//
//     static lestats_string_column location = {.name = "location"};
//     static lestats_number_column value = {.name = "value"};
//     static lestats_code_result state = {.of = &location};
//     static lestats_number_result most = {.name = "maximum", .unit_of = LESTATS_REF(value)};
//
//     static const lestats_error *maximum(lestats_job *job) { ... }
//
//     static lestats_question question = {
//         .name = "maximum",
//         .result = {.keys = {LESTATS_REF(state)}, .values = {LESTATS_REF(most)}, .layout = LESTATS_LAYOUT_MAP},
//         .answer = maximum,
//     };
//     static lestats_plugin plugin = {
//         .name = "extremes", .version = "1.0.0",
//         .columns = {LESTATS_REF(location), LESTATS_REF(value)}, .questions = {&question},
//     };
//     LESTATS_SERVE(plugin)
//
// What is declared doubles as a typed handle: lestats_values(&value) are the
// numbers of that column, lestats_append(&most, 1.5) adds one to the result. Build with
//
//     clang --target=wasm32 -std=c11 -O2 -mbulk-memory -ffreestanding -c plugin.c
//     clang --target=wasm32 -nostdlib -Wl,--no-entry -Wl,--stack-first -Wl,-z,stack-size=65536
//         -Wl,--strip-all -o plugin.wasm plugin.o
//
// Include it in one source file of a plugin. Nothing is ever freed: after each
// job the host puts memory back as it was after open.
#ifndef LESTATS_H
#define LESTATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How many columns, questions, parameters, choices or result columns there may
// be in a list; define it before the include for more.
#ifndef LESTATS_MAX
#define LESTATS_MAX 32
#endif

#define LESTATS_LAYOUT_ROWS "rows"
#define LESTATS_LAYOUT_MAP "map"
#define LESTATS_LAYOUT_NESTED "nested"
#define LESTATS_LAYOUT_RECORD "record"
#define LESTATS_CHART_BAR "bar"
#define LESTATS_CHART_DOTS "dots" /* with intervals */
#define LESTATS_CHART_LINE "line"
#define LESTATS_CHART_MAP "map"
#define LESTATS_CHART_NONE "none"
// What a column of numbers in a result is: the host's pictures, headlines and notes follow
// from it. A result has at most one of each, but two ranks, the best and
// the worst, and three of a difference: it and its limits.
#define LESTATS_SHOWS_ESTIMATE "estimate" // what the answer is about
#define LESTATS_SHOWS_MEAN "mean" // an estimate that is the plain mean of the measure
#define LESTATS_SHOWS_MEAN_DIFFERENCE "mean_difference"
#define LESTATS_SHOWS_DIFFERENCE "difference" // of two values, or a limit of its interval
#define LESTATS_SHOWS_LOW "low" // limits of the estimate's confidence interval
#define LESTATS_SHOWS_HIGH "high"
#define LESTATS_SHOWS_COUNT "count" // how many were asked or counted
#define LESTATS_SHOWS_RANK "rank" // place in an order, from 1

// --- the contract's structs, see ABI.md --------------------------------------

enum { LESTATS_FLOAT64 = 1, LESTATS_INT64 = 2, LESTATS_STRING = 3 };
enum { LESTATS_SORTED_DICT = 1, LESTATS_SORTED_ROWS = 2 };
enum { LESTATS_ERR_FAILED = 1, LESTATS_ERR_BAD_PARAM = 2, LESTATS_ERR_NO_DATA = 3, LESTATS_ERR_DATASET = 4 };
#define LESTATS_NO_INDEX 0xFFFFFFFFu

typedef struct { uint32_t size, version, rows, column_count, column_size, columns, digest, digest_len; } lestats_directory;
typedef struct {
    uint32_t name, name_len, type, flags, data, data_len, validity, validity_len;
    uint32_t null_count, dict_count, dict_offsets, dict_bytes, dict_bytes_len, unit, unit_len, reserved;
} lestats_column;
typedef struct {
    uint32_t size, version, question, param_count, param_size, params, range_count, ranges, rows, reserved[3];
} lestats_request;
typedef struct { uint32_t start, count; } lestats_range;
typedef struct { uint32_t kind, column, count, values, reserved[4]; } lestats_param;
typedef struct { uint32_t size, version, status, table_count, table_size, tables, error, reserved; } lestats_response;
typedef struct { uint32_t kind, rows, column_count, column_size, columns, reserved[3]; } lestats_table;
typedef struct { uint32_t size, version, code, param, text, text_len, reserved[2]; } lestats_error;

_Static_assert(sizeof(lestats_directory) == 32 && sizeof(lestats_column) == 64 && sizeof(lestats_request) == 48, "v1");
_Static_assert(sizeof(lestats_range) == 8 && sizeof(lestats_param) == 32 && sizeof(lestats_response) == 32, "v1");
_Static_assert(sizeof(lestats_table) == 32 && sizeof(lestats_error) == 32, "v1");

// --- what a plugin declares --------------------------------------------------

// lestats_str is UTF-8 that need not end in a zero byte.
typedef struct { const char *bytes; uint32_t len; } lestats_str;
#define LESTATS_TEXT(literal) ((lestats_str){"" literal, sizeof(literal) - 1})

// lestats_data is a column of the dataset as open found it; read it with the
// functions below.
typedef struct {
    const void *values;
    const uint64_t *valid; // null: every value is present
    const uint32_t *offsets;
    const char *bytes;
    uint32_t count, missing;
    lestats_str unit;
    bool listed; // in .columns of the plugin
    lestats_column wire;
} lestats_data;

// Handles to columns of the dataset: declare the name. optional: a dataset without such a
// column fits the plugin nevertheless; then no row has a value, and a dictionary is empty.
typedef struct { const char *name; bool optional; lestats_data data; } lestats_number_column;
typedef struct { const char *name; bool optional; lestats_data data; } lestats_integer_column;
typedef struct { const char *name; bool optional; lestats_data data; } lestats_string_column;

// lestats_given is what a job gave for a parameter: by whose question, null before the first.
typedef struct { const uint64_t *values; uint32_t count; const void *by; } lestats_given;

// Handles to parameters. name: [a-z][a-z0-9_]*, not "where". fallback is the
// default, or null. Bounds and the defaults of numbers are JSON as text, "0.5",
// for printing a double takes more code than most plugins have.
typedef struct {
    const char *name, *title, *description, *fallback;
    const lestats_string_column *of; // takes a value of this column
    bool required, list, select;     // select: only the rows that have the value reach the question
    lestats_given given;
} lestats_string_param;
typedef struct {
    const char *name, *title, *description, *fallback, *min, *max;
    const lestats_number_column *of; // null: any number
    bool required, list, select;
    lestats_given given;
} lestats_number_param;
typedef struct {
    const char *name, *title, *description, *fallback, *min, *max;
    const lestats_integer_column *of; // null: any integer
    bool required, list, select;
    lestats_given given;
} lestats_integer_param;
typedef struct {
    const char *name, *title, *description, *fallback;
    const char *choices[LESTATS_MAX];
    bool required, list;
    lestats_given given;
} lestats_choice_param;
typedef struct {
    const char *name, *title, *description, *fallback; // fallback: "true" or "false"
    bool required, list;
    lestats_given given;
} lestats_boolean_param;

// lestats_ref is any handle; LESTATS_REF(h) makes one of it.
typedef struct { uint32_t kind; void *handle; } lestats_ref;

typedef struct { void *at; uint32_t len, capacity; } lestats_buffer; // in bytes
typedef struct { lestats_buffer data, missing, bytes, offsets; uint32_t rows; const void *of; } lestats_output; // of: the question

// Handles to columns of a result. A code result takes codes of a column of the
// dataset, and no string is copied; its name is that column's if it has none. shows: one of
// LESTATS_SHOWS_..., or null.
typedef struct { const char *name, *title; const lestats_string_column *of; lestats_output out; } lestats_code_result;
typedef struct { const char *name, *title, *unit, *shows; lestats_ref unit_of; lestats_output out; } lestats_number_result;
typedef struct { const char *name, *title, *unit, *shows; lestats_ref unit_of; lestats_output out; } lestats_integer_result;
typedef struct { const char *name, *title; lestats_output out; } lestats_string_result;

enum {
    LESTATS_NUMBER_COLUMN = 1, LESTATS_INTEGER_COLUMN, LESTATS_STRING_COLUMN, LESTATS_STRING_PARAM, LESTATS_NUMBER_PARAM,
    LESTATS_INTEGER_PARAM, LESTATS_CHOICE_PARAM, LESTATS_BOOLEAN_PARAM, LESTATS_CODE_RESULT, LESTATS_NUMBER_RESULT,
    LESTATS_INTEGER_RESULT, LESTATS_STRING_RESULT,
};
#define LESTATS_REF(h) {_Generic(&(h), \
    lestats_number_column *: LESTATS_NUMBER_COLUMN, lestats_integer_column *: LESTATS_INTEGER_COLUMN, \
    lestats_string_column *: LESTATS_STRING_COLUMN, lestats_string_param *: LESTATS_STRING_PARAM, \
    lestats_number_param *: LESTATS_NUMBER_PARAM, lestats_integer_param *: LESTATS_INTEGER_PARAM, \
    lestats_choice_param *: LESTATS_CHOICE_PARAM, lestats_boolean_param *: LESTATS_BOOLEAN_PARAM, \
    lestats_code_result *: LESTATS_CODE_RESULT, lestats_number_result *: LESTATS_NUMBER_RESULT, \
    lestats_integer_result *: LESTATS_INTEGER_RESULT, lestats_string_result *: LESTATS_STRING_RESULT), &(h)}

// lestats_job is one asking of one question: the selected rows.
typedef struct { const lestats_range *ranges; uint32_t range_count, selected; } lestats_job;

// Lists end where an entry is zero.
typedef struct {
    const char *name, *title, *description;
    lestats_ref params[LESTATS_MAX + 1];
    struct {
        lestats_ref keys[LESTATS_MAX + 1], values[LESTATS_MAX + 1]; // at least one value
        const char *layout, *chart;
    } result;
    // Optional columns that the question cannot do without: a dataset that lacks one does not
    // have the question.
    lestats_ref needs[LESTATS_MAX + 1];
    // The JSON body of a request that shows the question at its best,
    // "{\"state\": \"Ohio\", \"where\": {\"year\": 2020}}", with every required parameter. The
    // host's pages and commands use it unless their dataset lacks its values. null: they choose the values.
    const char *example;
    // answer appends rows to each of the result's columns and returns null, or an
    // error. To append nothing is to find no data.
    const lestats_error *(*answer)(lestats_job *job);
} lestats_question;

typedef struct {
    const char *name, *version, *title, *description, *license, *homepage;
    lestats_ref columns[LESTATS_MAX + 1];
    lestats_question *questions[LESTATS_MAX + 1];
    // open, or null, is called once, with all rows, before any question: what it
    // keeps in variables every question finds. An error refuses the dataset.
    const lestats_error *(*open)(lestats_job *job);
} lestats_plugin;

// What is called from many places and need not be fast is not put in each.
#define LESTATS_COLD static __attribute__((noinline, unused))

// --- memory ------------------------------------------------------------------

static uint32_t lestats_used; // up to here the memory is taken; 0: not yet known

#ifdef __wasm__
extern unsigned char __heap_base;
__attribute__((import_module("lestats_v1"), import_name("log"))) void lestats_import_log(uint32_t level, const char *text, uint32_t len);
__attribute__((import_module("lestats_v1"), import_name("progress"))) void lestats_import_progress(int64_t done, int64_t total);
static inline void *lestats_pointer(uint32_t address) { return (void *)address; }
static inline uint32_t lestats_address(const void *p) { return (uint32_t)p; }
static inline uint64_t lestats_limit(uint64_t wanted) { // what there is, after an attempt to have as much as is wanted
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (wanted > have && wanted <= 1ull << 32) __builtin_wasm_memory_grow(0, (uint32_t)((wanted - have + 0xFFFF) >> 16));
    return (uint64_t)__builtin_wasm_memory_size(0) << 16;
}
#define LESTATS_HEAP lestats_address(&__heap_base)
#define LESTATS_EXPORT(name) __attribute__((export_name(#name))) name
#else
// Natively, in a test, lestats_block of so many bytes stands for the linear
// memory; a plugin's own begins at LESTATS_HEAP.
static unsigned char *lestats_block;
static uint32_t lestats_block_size;
static void (*lestats_on_log)(uint32_t level, lestats_str text);
static void (*lestats_on_progress)(int64_t done, int64_t total);
static inline void lestats_import_log(uint32_t level, const char *text, uint32_t len) {
    if (lestats_on_log) lestats_on_log(level, (lestats_str){text, len});
}
static inline void lestats_import_progress(int64_t done, int64_t total) {
    if (lestats_on_progress) lestats_on_progress(done, total);
}
static inline void *lestats_pointer(uint32_t address) { return lestats_block + address; }
static inline uint32_t lestats_address(const void *p) { return p ? (uint32_t)((const unsigned char *)p - lestats_block) : 0; }
static inline uint64_t lestats_limit(uint64_t wanted) { (void)wanted; return lestats_block_size; }
#define LESTATS_HEAP (1u << 20)
#define LESTATS_EXPORT(name) name
#endif

// lestats_reserve returns the address of size bytes at a multiple of align, or 0.
LESTATS_COLD uint32_t lestats_reserve(uint32_t size, uint32_t align) {
    if (align == 0 || (align & (align - 1)) || align > 65536) return 0;
    uint64_t start = ((uint64_t)(lestats_used ? lestats_used : LESTATS_HEAP) + align - 1) & ~((uint64_t)align - 1);
    if (start + size > lestats_limit(start + size) || start + size > 0xFFFFFFFFu) return 0;
    lestats_used = (uint32_t)(start + size);
    return (uint32_t)start;
}

// lestats_alloc returns size bytes for the plugin's own use, all zero only if
// nobody wrote there before; it traps where there are none.
static inline void *lestats_alloc(uint32_t size) {
    uint32_t at = lestats_reserve(size, 16);
    if (!at) {
        lestats_import_log(3, "out of memory", 13);
        __builtin_trap();
    }
    return lestats_pointer(at);
}

// lestats_zeros is lestats_alloc of count times size bytes, all zero.
static inline void *lestats_zeros(uint32_t count, uint32_t size) {
    uint64_t n = (uint64_t)count * size;
    void *p = lestats_alloc(n > 0xFFFFFFF0u ? 0xFFFFFFF0u : (uint32_t)n);
    __builtin_memset(p, 0, (size_t)n);
    return p;
}

LESTATS_COLD void lestats_grow(lestats_buffer *b, uint32_t n) {
    uint32_t capacity = b->len + n < 128 ? 256 : 2 * (b->len + n);
    void *at = lestats_alloc(capacity);
    if (b->len) __builtin_memcpy(at, b->at, b->len);
    b->at = at;
    b->capacity = capacity;
}

// lestats_more adds n bytes to a buffer and returns where they are.
static inline void *lestats_more(lestats_buffer *b, uint32_t n) {
    if (b->capacity - b->len < n) lestats_grow(b, n);
    b->len += n;
    return (char *)b->at + b->len - n;
}

static inline void lestats_put(lestats_buffer *b, const char *bytes, uint32_t n) {
    if (n) __builtin_memcpy(lestats_more(b, n), bytes, n);
}

// --- texts -------------------------------------------------------------------

// lestats_text_of is the text of a string that ends in a zero byte.
static inline lestats_str lestats_text_of(const char *s) {
    uint32_t n = 0;
    while (s && s[n]) n++;
    return (lestats_str){s, n};
}

// lestats_concat is a new text, a and then b.
LESTATS_COLD lestats_str lestats_concat(lestats_str a, lestats_str b) {
    lestats_buffer out = {0};
    lestats_put(&out, a.bytes, a.len);
    lestats_put(&out, b.bytes, b.len);
    return (lestats_str){out.at, out.len};
}

// lestats_integer_text is a new text, n in decimal.
static inline lestats_str lestats_integer_text(int64_t n) {
    char *end = (char *)lestats_alloc(24) + 24, *p = end;
    uint64_t u = n < 0 ? -(uint64_t)n : (uint64_t)n;
    do *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (n < 0) *--p = '-';
    return (lestats_str){p, (uint32_t)(end - p)};
}

static inline int lestats_compare(lestats_str a, lestats_str b) {
    for (uint32_t i = 0; i < a.len && i < b.len; i++)
        if (a.bytes[i] != b.bytes[i]) return (unsigned char)a.bytes[i] < (unsigned char)b.bytes[i] ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

// --- log, progress, errors ---------------------------------------------------

enum { LESTATS_DEBUG, LESTATS_INFO, LESTATS_WARN, LESTATS_ERR }; // levels

// lestats_log writes a line to the host's log.
static inline void lestats_log(uint32_t level, lestats_str text) { lestats_import_log(level, text.bytes, text.len); }

// lestats_progress tells the host that done of total steps are complete.
static inline void lestats_progress(int64_t done, int64_t total) { lestats_import_progress(done, total); }

static const lestats_question *lestats_asked; // the question, while it is answered

LESTATS_COLD const lestats_error *lestats_fail(uint32_t code, uint32_t param, lestats_str text) {
    char *copy = lestats_alloc(text.len); // a literal may lie outside of a native memory
    if (text.len) __builtin_memcpy(copy, text.bytes, text.len);
    lestats_error *e = lestats_alloc(sizeof *e);
    *e = (lestats_error){sizeof *e, 1, code, param, lestats_address(copy), text.len, {0}};
    return e;
}

static inline uint32_t lestats_param_index(const void *param) {
    for (uint32_t i = 0; lestats_asked && lestats_asked->params[i].kind; i++)
        if (lestats_asked->params[i].handle == param) return i;
    return LESTATS_NO_INDEX;
}

// lestats_failed says that the answer could not be computed.
static inline const lestats_error *lestats_failed(lestats_str text) {
    return lestats_fail(LESTATS_ERR_FAILED, LESTATS_NO_INDEX, text);
}

// lestats_bad_param says that the value of a parameter, a pointer to its handle,
// makes no sense.
static inline const lestats_error *lestats_bad_param(const void *param, lestats_str text) {
    return lestats_fail(LESTATS_ERR_BAD_PARAM, lestats_param_index(param), text);
}

// lestats_no_data says that no selected row has what the question needs.
// param is what it is about, or null.
static inline const lestats_error *lestats_no_data(const void *param, lestats_str text) {
    return lestats_fail(LESTATS_ERR_NO_DATA, param ? lestats_param_index(param) : LESTATS_NO_INDEX, text);
}

static const char lestats_of_plugin[] = ".columns of the plugin";

// lestats_forgotten ends the job: the host shows the last words to the plugin's author.
LESTATS_COLD void lestats_forgotten(const char *what, const char *name, const char *list) {
    lestats_str text = lestats_concat(lestats_text_of(what), lestats_text_of(" \""));
    text = lestats_concat(text, lestats_text_of(name));
    text = lestats_concat(text, lestats_text_of("\" is not listed; add LESTATS_REF of its handle to "));
    text = lestats_concat(text, lestats_text_of(list));
    if (lestats_asked && list != lestats_of_plugin) {
        text = lestats_concat(text, lestats_text_of(" of the question "));
        text = lestats_concat(text, lestats_text_of(lestats_asked->name));
    }
    lestats_log(LESTATS_ERR, text);
    __builtin_trap();
}

// --- columns -----------------------------------------------------------------

// lestats_listed returns the data of a column, and ends the job if the plugin does not
// list it.
static inline const lestats_data *lestats_listed(const lestats_data *data, const char *name) {
    if (!data->listed) lestats_forgotten("the column", name, lestats_of_plugin);
    return data;
}

static inline const double *lestats_number_values(const lestats_number_column *c) { return lestats_listed(&c->data, c->name)->values; }
static inline const int64_t *lestats_integer_values(const lestats_integer_column *c) { return lestats_listed(&c->data, c->name)->values; }

// lestats_values returns the numbers (double) or integers (int64_t) of all rows
// of the dataset. The value of a missing row is undefined.
#define lestats_values(c) _Generic((c), \
    lestats_number_column *: lestats_number_values, lestats_integer_column *: lestats_integer_values)(c)

// lestats_codes returns the codes of all rows of the dataset: comparing codes
// compares strings. The value of a missing row is undefined.
static inline const int32_t *lestats_codes(const lestats_string_column *c) { return lestats_listed(&c->data, c->name)->values; }

// lestats_count returns the size of the dictionary: codes are below it.
static inline uint32_t lestats_count(const lestats_string_column *c) { return lestats_listed(&c->data, c->name)->count; }

// lestats_string returns the string that a code stands for, without copying it.
static inline lestats_str lestats_text(const lestats_string_column *c, int32_t code) {
    const uint32_t *o = lestats_listed(&c->data, c->name)->offsets + code;
    return (lestats_str){c->data.bytes + o[0], o[1] - o[0]};
}

// lestats_code returns the code of a string, or -1 where the column has none.
static inline int32_t lestats_code(const lestats_string_column *c, lestats_str text) {
    int32_t low = 0, high = (int32_t)lestats_count(c);
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (lestats_compare(lestats_text(c, middle), text) < 0) low = middle + 1;
        else high = middle;
    }
    return low < (int32_t)c->data.count && lestats_compare(lestats_text(c, low), text) == 0 ? low : -1;
}

// lestats_missing returns how many rows of the dataset have no value in a column.
#define lestats_missing(c) (lestats_listed(&(c)->data, (c)->name)->missing)

// lestats_unit returns the dataset's unit of a column, such as "%", or "".
#define lestats_unit(c) (lestats_listed(&(c)->data, (c)->name)->unit)

// --- rows --------------------------------------------------------------------

// lestats_filter narrows down the selected rows: lestats_present(&column) to
// those that have a value, lestats_is(&column, code) to those that have one value.
typedef struct { const uint64_t *valid; const int32_t *codes; int32_t code; } lestats_filter;

#define lestats_present(c) ((lestats_filter){lestats_listed(&(c)->data, (c)->name)->valid, NULL, 0})

static inline lestats_filter lestats_is(const lestats_string_column *c, int32_t code) {
    return (lestats_filter){c->data.valid, lestats_codes(c), code};
}

// lestats_rows goes over the selected rows that pass every filter, ascending:
//
//     lestats_rows rows = LESTATS_ROWS(job, lestats_present(&value));
//     while (lestats_next(&rows)) sum += values[rows.row];
typedef struct {
    uint32_t row; // by which the values of a column are indexed
    uint32_t base, at, end, ranges_left, filter_count;
    uint64_t mask; // what is left of the 64 rows from base on
    const lestats_range *ranges;
    lestats_filter filters[8];
} lestats_rows;

// LESTATS_ROWS(job, filters...) takes up to eight filters, and may have none.
#define LESTATS_ROWS(...) LESTATS_ROWS_(__VA_ARGS__, (lestats_filter){0})
#define LESTATS_ROWS_(job, ...) \
    lestats_rows_of(job, (lestats_filter[]){__VA_ARGS__}, sizeof((lestats_filter[]){__VA_ARGS__}) / sizeof(lestats_filter) - 1)

static inline lestats_rows lestats_rows_of(const lestats_job *job, const lestats_filter *filters, size_t n) {
    lestats_rows r = {.ranges = job->ranges, .ranges_left = job->range_count};
    if (n > 8) __builtin_trap();
    for (size_t i = 0; i < n; i++)
        if (filters[i].valid || filters[i].codes) r.filters[r.filter_count++] = filters[i];
    return r;
}

// lestats_fill finds the next 64 rows, beginning at a multiple of 64, of which
// any passes. It may read a bitmap up to the next multiple of 64 rows, which exists.
LESTATS_COLD bool lestats_fill(lestats_rows *r) {
    do {
        if (r->at == r->end) {
            if (!r->ranges_left) return false;
            r->at = r->ranges->start;
            r->end = r->ranges->start + r->ranges->count;
            r->ranges++;
            r->ranges_left--;
        }
        uint32_t base = r->base = r->at & ~63u, n = r->end - base;
        uint64_t mask = ~0ull << (r->at & 63);
        if (n < 64) mask &= (1ull << n) - 1;
        else n = 64;
        r->at = base + n;
        for (uint32_t i = 0; i < r->filter_count; i++) {
            const lestats_filter *f = &r->filters[i];
            if (f->valid) mask &= f->valid[base >> 6];
            if (!f->codes) continue;
            uint64_t equal = 0;
            for (uint32_t k = 0; k < n; k++) equal |= (uint64_t)(f->codes[base + k] == f->code) << k;
            mask &= equal;
        }
        r->mask = mask;
    } while (!r->mask);
    return true;
}

// lestats_next goes to the next row, or returns false after the last.
static inline bool lestats_next(lestats_rows *r) {
    if (!r->mask && !lestats_fill(r)) return false;
    r->row = r->base + (uint32_t)__builtin_ctzll(r->mask);
    r->mask &= r->mask - 1;
    return true;
}

// --- parameters --------------------------------------------------------------

// lestats_given_to returns what was given for a parameter, and ends the job if the
// question does not list it.
static inline const lestats_given *lestats_given_to(const lestats_given *given, const char *name) {
    if (!given->by || given->by != lestats_asked) lestats_forgotten("the parameter", name, ".params");
    return given;
}

static inline int32_t lestats_string_at(const lestats_string_param *p, uint32_t i) { return (int32_t)p->given.values[i]; }
static inline double lestats_number_at(const lestats_number_param *p, uint32_t i) {
    double value;
    __builtin_memcpy(&value, &p->given.values[i], sizeof value);
    return value;
}
static inline int64_t lestats_integer_at(const lestats_integer_param *p, uint32_t i) { return (int64_t)p->given.values[i]; }
static inline uint32_t lestats_choice_at(const lestats_choice_param *p, uint32_t i) { return (uint32_t)p->given.values[i]; }
static inline bool lestats_boolean_at(const lestats_boolean_param *p, uint32_t i) { return p->given.values[i] != 0; }

// lestats_len returns how many values were given for a parameter: 0 where it was
// left out.
#define lestats_len(p) (lestats_given_to(&(p)->given, (p)->name)->count)

// lestats_at returns value i of what was given for a parameter, i below its
// lestats_len: a code, a double, an int64_t, the index of a choice, or a bool.
#define lestats_at(p, i) _Generic((p), \
    lestats_string_param *: lestats_string_at, lestats_number_param *: lestats_number_at, \
    lestats_integer_param *: lestats_integer_at, lestats_choice_param *: lestats_choice_at, \
    lestats_boolean_param *: lestats_boolean_at)(p, i)

// lestats_get stores what was given for a parameter in *to, or returns false
// where it was left out. Of a list it is the first.
#define lestats_get(p, to) (lestats_len(p) ? (*(to) = lestats_at(p, 0), true) : false)

// --- results -----------------------------------------------------------------

// lestats_row adds a row, and ends the job if the question does not list the column.
static inline void lestats_row(lestats_output *out, uint32_t n, const char *name) {
    if (!out->of || out->of != lestats_asked) lestats_forgotten("the result's column", name, ".result.keys or .result.values");
    out->rows += n;
}
static inline const char *lestats_code_name(const lestats_code_result *r) { return r->name ? r->name : r->of->name; }

static inline void lestats_code_append(lestats_code_result *r, int32_t code) {
    lestats_row(&r->out, 1, lestats_code_name(r));
    *(int32_t *)lestats_more(&r->out.data, 4) = code;
}
static inline void lestats_number_append(lestats_number_result *r, double value) {
    lestats_row(&r->out, 1, r->name);
    *(double *)lestats_more(&r->out.data, 8) = value;
}
static inline void lestats_integer_append(lestats_integer_result *r, int64_t value) {
    lestats_row(&r->out, 1, r->name);
    *(int64_t *)lestats_more(&r->out.data, 8) = value;
}
static inline void lestats_string_append(lestats_string_result *r, lestats_str text) {
    lestats_row(&r->out, 1, r->name);
    *(int32_t *)lestats_more(&r->out.data, 4) = (int32_t)r->out.rows - 1;
    lestats_put(&r->out.bytes, text.bytes, text.len);
    *(uint32_t *)lestats_more(&r->out.offsets, 4) = r->out.bytes.len;
}

// lestats_append adds a row to a column of the result: a code, a double, an
// int64_t, or a text, which is copied.
#define lestats_append(r, value) _Generic((r), \
    lestats_code_result *: lestats_code_append, lestats_number_result *: lestats_number_append, \
    lestats_integer_result *: lestats_integer_append, lestats_string_result *: lestats_string_append)(r, value)

static inline void lestats_code_missing(lestats_code_result *r) {
    *(uint32_t *)lestats_more(&r->out.missing, 4) = r->out.rows;
    lestats_code_append(r, 0);
}
static inline void lestats_number_missing(lestats_number_result *r) {
    *(uint32_t *)lestats_more(&r->out.missing, 4) = r->out.rows;
    lestats_number_append(r, 0);
}
static inline void lestats_integer_missing(lestats_integer_result *r) {
    *(uint32_t *)lestats_more(&r->out.missing, 4) = r->out.rows;
    lestats_integer_append(r, 0);
}
static inline void lestats_string_missing(lestats_string_result *r) {
    *(uint32_t *)lestats_more(&r->out.missing, 4) = r->out.rows;
    lestats_string_append(r, LESTATS_TEXT(""));
}

// lestats_append_missing adds a row without a value.
#define lestats_append_missing(r) _Generic((r), \
    lestats_code_result *: lestats_code_missing, lestats_number_result *: lestats_number_missing, \
    lestats_integer_result *: lestats_integer_missing, lestats_string_result *: lestats_string_missing)(r)

static inline int32_t *lestats_code_extend(lestats_code_result *r, uint32_t n) {
    lestats_row(&r->out, n, lestats_code_name(r));
    return lestats_more(&r->out.data, 4 * n);
}
static inline double *lestats_number_extend(lestats_number_result *r, uint32_t n) {
    lestats_row(&r->out, n, r->name);
    return lestats_more(&r->out.data, 8 * n);
}
static inline int64_t *lestats_integer_extend(lestats_integer_result *r, uint32_t n) {
    lestats_row(&r->out, n, r->name);
    return lestats_more(&r->out.data, 8 * n);
}

// lestats_extend adds n rows of codes, numbers or integers and returns them, to
// be filled in before the next call.
#define lestats_extend(r, n) _Generic((r), \
    lestats_code_result *: lestats_code_extend, lestats_number_result *: lestats_number_extend, \
    lestats_integer_result *: lestats_integer_extend)(r, n)

// lestats_result_len returns the number of rows so far.
#define lestats_result_len(r) ((r)->out.rows)

// --- the manifest ------------------------------------------------------------

static lestats_plugin *lestats_served;
static lestats_buffer lestats_json;

LESTATS_COLD void lestats_raw(const char *s) { lestats_put(&lestats_json, s, lestats_text_of(s).len); }

LESTATS_COLD void lestats_quoted(const char *s) {
    lestats_raw("\"");
    for (; *s; s++) {
        char escape[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[(*s >> 4) & 15], "0123456789abcdef"[*s & 15]};
        if (*s == '"' || *s == '\\') lestats_put(&lestats_json, "\\", 1);
        if ((unsigned char)*s < ' ') lestats_put(&lestats_json, escape, 6);
        else lestats_put(&lestats_json, s, 1);
    }
    lestats_raw("\"");
}

// lestats_key writes a comma, unless an object or a list has just begun, and the key.
LESTATS_COLD void lestats_comma(void) {
    char last = lestats_json.len ? ((char *)lestats_json.at)[lestats_json.len - 1] : '{';
    if (last != '{' && last != '[') lestats_raw(",");
}
static inline void lestats_key(const char *key) {
    lestats_comma();
    lestats_quoted(key);
    lestats_raw(":");
}
LESTATS_COLD void lestats_pair(const char *key, const char *text) {
    if (!text) return;
    lestats_key(key);
    lestats_quoted(text);
}
LESTATS_COLD void lestats_literal(const char *key, const char *json) {
    if (!json) return;
    lestats_key(key);
    lestats_raw(json);
}
static inline void lestats_flag(const char *key, bool set) { lestats_literal(key, set ? "true" : NULL); }

static inline uint32_t lestats_type_of(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_NUMBER_COLUMN: case LESTATS_NUMBER_RESULT: return LESTATS_FLOAT64;
    case LESTATS_INTEGER_COLUMN: case LESTATS_INTEGER_RESULT: return LESTATS_INT64;
    default: return LESTATS_STRING;
    }
}
static inline const char *lestats_type_name(lestats_ref r) {
    static const char *const names[] = {"number", "integer", "string"};
    return names[lestats_type_of(r) - 1];
}
static inline const char *lestats_column_name(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_NUMBER_COLUMN: return ((lestats_number_column *)r.handle)->name;
    case LESTATS_INTEGER_COLUMN: return ((lestats_integer_column *)r.handle)->name;
    case LESTATS_STRING_COLUMN: return ((lestats_string_column *)r.handle)->name;
    default: return NULL;
    }
}

#define LESTATS_DECLARE(p, type_name, column_name, low, high) do { \
    lestats_pair("name", (p)->name); lestats_pair("title", (p)->title); lestats_pair("description", (p)->description); \
    lestats_pair("type", type_name); lestats_pair("column", column_name); \
    lestats_literal("min", low); lestats_literal("max", high); } while (0)

static inline void lestats_declare_param(lestats_ref r) {
    bool required, list, select = false;
    switch (r.kind) {
    case LESTATS_STRING_PARAM: {
        lestats_string_param *p = r.handle;
        LESTATS_DECLARE(p, "column", p->of ? p->of->name : "", NULL, NULL);
        lestats_pair("default", p->fallback);
        required = p->required, list = p->list, select = p->select;
        break;
    }
    case LESTATS_NUMBER_PARAM: {
        lestats_number_param *p = r.handle;
        LESTATS_DECLARE(p, p->of ? "column" : "number", p->of ? p->of->name : NULL, p->min, p->max);
        lestats_literal("default", p->fallback);
        required = p->required, list = p->list, select = p->select;
        break;
    }
    case LESTATS_INTEGER_PARAM: {
        lestats_integer_param *p = r.handle;
        LESTATS_DECLARE(p, p->of ? "column" : "integer", p->of ? p->of->name : NULL, p->min, p->max);
        lestats_literal("default", p->fallback);
        required = p->required, list = p->list, select = p->select;
        break;
    }
    case LESTATS_CHOICE_PARAM: {
        lestats_choice_param *p = r.handle;
        LESTATS_DECLARE(p, "choice", NULL, NULL, NULL);
        lestats_literal("choices", "[");
        for (int i = 0; i < LESTATS_MAX && p->choices[i]; i++) {
            lestats_comma();
            lestats_quoted(p->choices[i]);
        }
        lestats_raw("]");
        lestats_pair("default", p->fallback);
        required = p->required, list = p->list;
        break;
    }
    default: {
        lestats_boolean_param *p = r.handle;
        LESTATS_DECLARE(p, "boolean", NULL, NULL, NULL);
        lestats_literal("default", p->fallback);
        required = p->required, list = p->list;
    }
    }
    lestats_flag("required", required);
    lestats_flag("list", list);
    lestats_flag("select", select);
}

static inline const char *lestats_result_name(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_CODE_RESULT: return lestats_code_name(r.handle);
    case LESTATS_NUMBER_RESULT: return ((lestats_number_result *)r.handle)->name;
    case LESTATS_INTEGER_RESULT: return ((lestats_integer_result *)r.handle)->name;
    default: return ((lestats_string_result *)r.handle)->name;
    }
}

static inline void lestats_declare_result(lestats_ref r) {
    lestats_pair("name", lestats_result_name(r));
    lestats_pair("type", lestats_type_name(r));
    switch (r.kind) {
    case LESTATS_CODE_RESULT: lestats_pair("title", ((lestats_code_result *)r.handle)->title); break;
    case LESTATS_STRING_RESULT: lestats_pair("title", ((lestats_string_result *)r.handle)->title); break;
    case LESTATS_NUMBER_RESULT: {
        lestats_number_result *c = r.handle;
        lestats_pair("title", c->title);
        lestats_pair("unit", c->unit);
        lestats_pair("unit_of", lestats_column_name(c->unit_of));
        lestats_pair("shows", c->shows);
        break;
    }
    default: {
        lestats_integer_result *c = r.handle;
        lestats_pair("title", c->title);
        lestats_pair("unit", c->unit);
        lestats_pair("unit_of", lestats_column_name(c->unit_of));
        lestats_pair("shows", c->shows);
    }
    }
}

static inline bool lestats_is_optional(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_NUMBER_COLUMN: return ((lestats_number_column *)r.handle)->optional;
    case LESTATS_INTEGER_COLUMN: return ((lestats_integer_column *)r.handle)->optional;
    default: return ((lestats_string_column *)r.handle)->optional;
    }
}

static inline void lestats_declare_column(lestats_ref r) {
    lestats_pair("name", lestats_column_name(r));
    lestats_pair("type", lestats_type_name(r));
    lestats_flag("optional", lestats_is_optional(r));
}

// lestats_declare writes a list of objects; an empty one only where it must be there.
LESTATS_COLD void lestats_declare(const char *key, const lestats_ref *refs, bool always, void (*member)(lestats_ref)) {
    if (!refs->kind && !always) return;
    lestats_literal(key, "[");
    for (; refs->kind; refs++) {
        lestats_comma();
        lestats_raw("{");
        member(*refs);
        lestats_raw("}");
    }
    lestats_raw("]");
}

static inline void lestats_write_manifest(const lestats_plugin *p) {
    lestats_raw("{");
    lestats_pair("name", p->name);
    lestats_pair("version", p->version);
    lestats_pair("title", p->title);
    lestats_pair("description", p->description);
    lestats_pair("license", p->license);
    lestats_pair("homepage", p->homepage);
    lestats_declare("columns", p->columns, true, lestats_declare_column);
    lestats_literal("questions", "[");
    for (lestats_question *const *q = p->questions; *q; q++) {
        lestats_comma();
        lestats_raw("{");
        lestats_pair("name", (*q)->name);
        lestats_pair("title", (*q)->title);
        lestats_pair("description", (*q)->description);
        lestats_declare("params", (*q)->params, false, lestats_declare_param);
        lestats_literal("result", "{");
        lestats_declare("keys", (*q)->result.keys, false, lestats_declare_result);
        lestats_declare("values", (*q)->result.values, true, lestats_declare_result);
        lestats_pair("layout", (*q)->result.layout);
        lestats_pair("chart", (*q)->result.chart);
        lestats_raw("}");
        if ((*q)->needs[0].kind) {
            lestats_literal("needs", "[");
            for (const lestats_ref *r = (*q)->needs; r->kind; r++) {
                lestats_comma();
                lestats_quoted(lestats_column_name(*r));
            }
            lestats_raw("]");
        }
        lestats_literal("example", (*q)->example);
        lestats_raw("}");
    }
    lestats_raw("]}");
}

// --- the exports -------------------------------------------------------------

static lestats_job lestats_current;
static lestats_range lestats_all;
static uint32_t lestats_dataset_rows;
static bool lestats_opened;

static inline uint64_t lestats_pack(uint32_t address, uint32_t n) { return (uint64_t)address << 32 | n; }

static inline lestats_data *lestats_data_of(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_NUMBER_COLUMN: return &((lestats_number_column *)r.handle)->data;
    case LESTATS_INTEGER_COLUMN: return &((lestats_integer_column *)r.handle)->data;
    default: return &((lestats_string_column *)r.handle)->data;
    }
}
static inline lestats_given *lestats_given_of(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_STRING_PARAM: return &((lestats_string_param *)r.handle)->given;
    case LESTATS_NUMBER_PARAM: return &((lestats_number_param *)r.handle)->given;
    case LESTATS_INTEGER_PARAM: return &((lestats_integer_param *)r.handle)->given;
    case LESTATS_CHOICE_PARAM: return &((lestats_choice_param *)r.handle)->given;
    default: return &((lestats_boolean_param *)r.handle)->given;
    }
}
static inline lestats_output *lestats_output_of(lestats_ref r) {
    switch (r.kind) {
    case LESTATS_CODE_RESULT: return &((lestats_code_result *)r.handle)->out;
    case LESTATS_NUMBER_RESULT: return &((lestats_number_result *)r.handle)->out;
    case LESTATS_INTEGER_RESULT: return &((lestats_integer_result *)r.handle)->out;
    default: return &((lestats_string_result *)r.handle)->out;
    }
}
static inline uint32_t lestats_kind_of(lestats_ref r) { // of a parameter, in the contract
    switch (r.kind) {
    case LESTATS_STRING_PARAM: return 1;
    case LESTATS_NUMBER_PARAM: return ((lestats_number_param *)r.handle)->of ? 1 : 2;
    case LESTATS_INTEGER_PARAM: return ((lestats_integer_param *)r.handle)->of ? 1 : 3;
    case LESTATS_CHOICE_PARAM: return 4;
    default: return 5;
    }
}

static inline uint32_t lestats_list_len(const lestats_ref *refs) {
    uint32_t n = 0;
    while (refs[n].kind) n++;
    return n;
}

LESTATS_COLD uint64_t lestats_respond_error(const lestats_error *e) {
    lestats_response *r = lestats_alloc(sizeof *r);
    *r = (lestats_response){.size = sizeof *r, .version = 1, .status = 1, .table_size = 32, .error = lestats_address(e)};
    return lestats_pack(lestats_address(r), sizeof *r);
}

static inline uint64_t lestats_describe(void) {
    if (!lestats_json.len) lestats_write_manifest(lestats_served);
    return lestats_pack(lestats_address(lestats_json.at), lestats_json.len);
}

LESTATS_COLD const lestats_error *lestats_refuse(lestats_str text) {
    return lestats_fail(LESTATS_ERR_DATASET, LESTATS_NO_INDEX, lestats_concat(LESTATS_TEXT("the directory: "), text));
}

static inline const lestats_error *lestats_take_directory(uint32_t at, uint32_t len) {
    const lestats_directory *d = lestats_pointer(at);
    const lestats_plugin *p = lestats_served;
    if (len < sizeof *d || d->size < sizeof *d || d->size > len) return lestats_refuse(LESTATS_TEXT("it is too short"));
    if (d->version != 1) return lestats_refuse(LESTATS_TEXT("its version is not 1"));
    if (d->column_count != lestats_list_len(p->columns) || d->column_size < sizeof(lestats_column))
        return lestats_refuse(LESTATS_TEXT("its columns are not those that were asked for"));
    for (uint32_t i = 0; i < d->column_count; i++) {
        const lestats_column *c = lestats_pointer(d->columns + i * d->column_size);
        if (c->type != lestats_type_of(p->columns[i]) || c->data % 64 || c->validity % 64)
            return lestats_refuse(lestats_concat(LESTATS_TEXT("it is not as it should be: the column "),
                                                 lestats_text_of(lestats_column_name(p->columns[i]))));
        *lestats_data_of(p->columns[i]) = (lestats_data){
            .values = lestats_pointer(c->data), .valid = c->validity ? lestats_pointer(c->validity) : NULL,
            .offsets = lestats_pointer(c->dict_offsets), .bytes = lestats_pointer(c->dict_bytes), .count = c->dict_count,
            .listed = true, .missing = c->null_count, .unit = {lestats_pointer(c->unit), c->unit_len}, .wire = *c,
        };
    }
    lestats_dataset_rows = d->rows;
    lestats_all = (lestats_range){0, d->rows};
    lestats_current = (lestats_job){&lestats_all, d->rows ? 1 : 0, d->rows};
    lestats_opened = true;
    return NULL;
}

static inline uint64_t lestats_open(uint32_t at, uint32_t len) {
    const lestats_error *e = lestats_take_directory(at, len);
    if (!e && lestats_served->open && (e = lestats_served->open(&lestats_current)))
        e = lestats_fail(LESTATS_ERR_DATASET, LESTATS_NO_INDEX, (lestats_str){lestats_pointer(e->text), e->text_len});
    return e ? lestats_respond_error(e) : 0;
}

static inline void lestats_reset(const lestats_ref *refs, const lestats_question *q) {
    for (; refs->kind; refs++) {
        lestats_output *o = lestats_output_of(*refs);
        o->of = q;
        o->rows = o->data.len = o->missing.len = o->bytes.len = o->offsets.len = 0;
        if (refs->kind == LESTATS_STRING_RESULT) *(uint32_t *)lestats_more(&o->offsets, 4) = 0;
    }
}

static inline const lestats_error *lestats_take_request(uint32_t at, uint32_t len) {
    const lestats_request *r = lestats_pointer(at);
    uint32_t questions = 0;
    while (lestats_served->questions[questions]) questions++;
    if (!lestats_opened || len < sizeof *r || r->size < sizeof *r || r->size > len || r->version != 1 || r->question >= questions)
        return lestats_failed(LESTATS_TEXT("the request: it is not one of version 1 about a question of this plugin"));
    const lestats_question *q = lestats_asked = lestats_served->questions[r->question];
    if (r->param_count != lestats_list_len(q->params) || r->param_size < sizeof(lestats_param))
        return lestats_failed(LESTATS_TEXT("the request: its parameters do not match those of the question"));
    for (uint32_t i = 0; i < r->param_count; i++) {
        const lestats_param *p = lestats_pointer(r->params + i * r->param_size);
        if (p->kind != lestats_kind_of(q->params[i]))
            return lestats_failed(LESTATS_TEXT("the request: a parameter is not of the kind that was declared"));
        *lestats_given_of(q->params[i]) = (lestats_given){lestats_pointer(p->values), p->count, q};
    }
    lestats_current = (lestats_job){lestats_pointer(r->ranges), r->range_count, r->rows};
    lestats_reset(q->result.keys, q);
    lestats_reset(q->result.values, q);
    return NULL;
}

// lestats_place makes a column of the response of an output.
LESTATS_COLD lestats_column lestats_place(lestats_ref r) {
    lestats_output *o = lestats_output_of(r);
    uint32_t missing = o->missing.len / 4, n = (o->rows + 7) / 8;
    lestats_column c = {.type = lestats_type_of(r), .data = lestats_address(o->data.at), .data_len = o->data.len, .null_count = missing};
    if (missing) {
        uint8_t *valid = lestats_alloc(n);
        const uint32_t *rows = o->missing.at;
        __builtin_memset(valid, 0xff, n);
        for (uint32_t i = 0; i < missing; i++) valid[rows[i] >> 3] &= (uint8_t)~(1u << (rows[i] & 7));
        c.validity = lestats_address(valid);
        c.validity_len = n;
    }
    if (r.kind == LESTATS_CODE_RESULT) {
        const lestats_string_column *column = ((lestats_code_result *)r.handle)->of;
        const lestats_column *of = &lestats_listed(&column->data, column->name)->wire;
        c.flags = of->flags & LESTATS_SORTED_DICT;
        c.dict_count = of->dict_count;
        c.dict_offsets = of->dict_offsets;
        c.dict_bytes = of->dict_bytes;
        c.dict_bytes_len = of->dict_bytes_len;
    } else if (r.kind == LESTATS_STRING_RESULT) {
        c.dict_count = o->rows;
        c.dict_offsets = lestats_address(o->offsets.at);
        c.dict_bytes = lestats_address(o->bytes.at);
        c.dict_bytes_len = o->bytes.len;
    }
    return c;
}

LESTATS_COLD const lestats_error *lestats_uneven(const lestats_question *q, lestats_ref r, uint32_t rows) {
    lestats_ref first = q->result.keys[0].kind ? q->result.keys[0] : q->result.values[0];
    lestats_str text = lestats_concat(LESTATS_TEXT("the result's column "), lestats_text_of(lestats_result_name(first)));
    text = lestats_concat(lestats_concat(text, LESTATS_TEXT(" has ")), lestats_integer_text(rows));
    text = lestats_concat(lestats_concat(text, LESTATS_TEXT(" rows, ")), lestats_text_of(lestats_result_name(r)));
    text = lestats_concat(lestats_concat(text, LESTATS_TEXT(" has ")), lestats_integer_text(lestats_output_of(r)->rows));
    return lestats_failed(lestats_concat(text, LESTATS_TEXT("; for each row append to every column")));
}

static inline uint64_t lestats_answer(uint32_t at, uint32_t len) {
    const lestats_error *e = lestats_take_request(at, len);
    if (!e) e = lestats_asked->answer(&lestats_current);
    if (e) return lestats_respond_error(e);
    const lestats_question *q = lestats_asked;
    uint32_t keys = lestats_list_len(q->result.keys), count = keys + lestats_list_len(q->result.values);
    struct { lestats_response response; lestats_table table; lestats_column columns[]; } *out =
        lestats_alloc(sizeof *out + count * (uint32_t)sizeof(lestats_column));
    uint32_t rows = lestats_output_of(keys ? q->result.keys[0] : q->result.values[0])->rows, address = lestats_address(out);
    for (uint32_t i = 0; i < count; i++) {
        lestats_ref r = i < keys ? q->result.keys[i] : q->result.values[i - keys];
        if (lestats_output_of(r)->rows != rows) return lestats_respond_error(lestats_uneven(q, r, rows));
        out->columns[i] = lestats_place(r);
    }
    if (!rows) return lestats_respond_error(lestats_no_data(NULL, LESTATS_TEXT("no selected row has what the question needs")));
    out->response = (lestats_response){.size = 32, .version = 1, .table_count = 1, .table_size = 32, .tables = address + 32};
    out->table = (lestats_table){.kind = 1, .rows = rows, .column_count = count, .column_size = 64, .columns = address + 64};
    return lestats_pack(address, 32);
}

// LESTATS_SERVE(plugin) makes plugin the one of this module. It stands once,
// outside of any function.
#define LESTATS_SERVE(p) \
    uint32_t LESTATS_EXPORT(lestats_v1_alloc)(uint32_t size, uint32_t align); \
    uint64_t LESTATS_EXPORT(lestats_v1_describe)(void); \
    uint64_t LESTATS_EXPORT(lestats_v1_open)(uint32_t at, uint32_t len); \
    uint64_t LESTATS_EXPORT(lestats_v1_answer)(uint32_t at, uint32_t len); \
    uint32_t lestats_v1_alloc(uint32_t size, uint32_t align) { return lestats_reserve(size, align); } \
    uint64_t lestats_v1_describe(void) { lestats_served = &(p); return lestats_describe(); } \
    uint64_t lestats_v1_open(uint32_t at, uint32_t len) { lestats_served = &(p); return lestats_open(at, len); } \
    uint64_t lestats_v1_answer(uint32_t at, uint32_t len) { return lestats_answer(at, len); }

#endif

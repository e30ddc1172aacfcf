// The same code runs natively, in a test, where a debugger works: make test
#include "../main.c"
#include "lestats_test.h"

int main(void) {
    LESTATS_STRINGS(question, "obesity", "obesity", "obesity", "obesity", "smoking");
    LESTATS_STRINGS(location, "Ohio", "Utah", "Ohio", "Utah", "Utah");
    LESTATS_NUMBERS(value, 30, 20, 34.5, LESTATS_MISSING, 90);
    LESTATS_EXPECT(lestats_test_open(&plugin) == NULL);

    lestats_give(&survey, "obesity");
    lestats_give(&least, 1);
    LESTATS_EXPECT(lestats_test_ask(&states_spread) == NULL);
    LESTATS_EXPECT(lestats_result_len(&state) == 1);
    LESTATS_EXPECT(strcmp(lestats_test_text(&state, 0), "Ohio") == 0);
    LESTATS_EXPECT(lestats_test_number(&spread, 0) == 4.5);

    lestats_give(&survey, "obesity"); // and the default of least
    LESTATS_EXPECT(lestats_test_ask(&states_spread) == NULL);
    LESTATS_EXPECT(lestats_result_len(&state) == 2);
    if (!lestats_test_failed) puts("1 passed, 0 failed");
    return lestats_test_failed;
}

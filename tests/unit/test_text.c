/* test_text.c - texts that may be anything, and errors that repeat them. */
#include "unit.h"

#include <netenforce/error.h>
#include <netenforce/text.h>

static void only_what_can_be_printed_stays(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *mended;
    } texts[] = {
        {"", ""},
        {"as it was", "as it was"},
        {"\xc2\xa0\xc3\xa4\xdf\xbf \xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xef\xbf\xbf",
         "\xc2\xa0\xc3\xa4\xdf\xbf \xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xef\xbf\xbf"},
        {"\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf",
         "\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
        {"caf\xe9 noir", "caf? noir"},                    /* Latin-1 */
        {"\xc3\xa4\xc3", "\xc3\xa4?"},                    /* cut */
        {"\xe2\x82", "??"},                               /* cut */
        {"\xf0\x9f\x98\"", "???\""},                      /* cut, and more behind */
        {"\x80\xbf", "??"},                               /* without a beginning */
        {"\xc0\xaf\xe0\x80\xaf", "?????"},                /* longer than need be */
        {"\xed\xa0\x80\xf4\x90\x80\x80\xff", "????????"}, /* no characters */
        {"\x1b[31m\n\t\x7f", "?[31m???"},                 /* for a terminal */
        {"\xc2\x9bm", "??m"},                             /* the same in one character */
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        char text[32];
        assert_true(strlen(texts[i].given) < sizeof(text));
        memcpy(text, texts[i].given, strlen(texts[i].given) + 1);
        ne_text_mend(text);
        assert_string_equal(text, texts[i].mended);
    }
}

#define LETTERS "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"

static void errors_are_cut_between_letters(void **state) {
    (void)state;
    struct ne_error err;
    (void)ne_fail(&err, NE_BAD_INPUT, "\"%.3s\" is not accepted", LETTERS);
    assert_string_equal(err.text, "\"\xc3\xa4?\" is not accepted");
    (void)ne_context(&err, "%.5s", LETTERS);
    assert_string_equal(err.text, "\xc3\xa4\xc3\xa4?: \"\xc3\xa4?\" is not accepted");

    /* By the room that a text has. */
    (void)ne_fail(&err, NE_BAD_INPUT, "%*s" LETTERS, NE_ERROR_TEXT - 4, "");
    assert_string_equal(err.text + NE_ERROR_TEXT - 4, "\xc3\xa4?");
    (void)ne_context(&err, "%*s" LETTERS, NE_ERROR_TEXT - 2, "");
    assert_string_equal(err.text + NE_ERROR_TEXT - 2, "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_can_be_printed_stays),
        cmocka_unit_test(errors_are_cut_between_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

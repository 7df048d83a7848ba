/* text.h - texts that come from elsewhere, or were cut anywhere. */
#ifndef NETENFORCE_TEXT_H
#define NETENFORCE_TEXT_H

/* ne_text_mend() - Put '?' in the place of each byte of @text that belongs to no character which
 * can be printed: of what is no UTF-8, a letter that was cut included, and of control characters.
 */
void ne_text_mend(char *text);

#endif

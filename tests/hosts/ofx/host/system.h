/* What the test host needs of the system beside C and threads. On Windows it knows no locales but C's. */
#ifndef TEST_SYSTEM_H
#define TEST_SYSTEM_H

void *library_open(const char *path);
void *library_find(void *library, const char *name);
void library_close(void *library);

int locale_choose(const char *name); /* in which the plug-in is called from now on; 1 = it is there */
void *locale_enter(void);            /* what was before */
void locale_leave(void *before);
void locale_forget(void);

#endif

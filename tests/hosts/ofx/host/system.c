#include "system.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdint.h>

void *library_open(const char *path) { return LoadLibraryA(path); }
void *library_find(void *library, const char *name) { return (void *)(uintptr_t)GetProcAddress(library, name); }
void library_close(void *library) { FreeLibrary(library); }
int locale_choose(const char *name) { return (void)name, 0; }
void *locale_enter(void) { return NULL; }
void locale_leave(void *before) { (void)before; }
void locale_forget(void) {}
#else
#include <dlfcn.h>
#include <locale.h>

static locale_t chosen;

void *library_open(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
void *library_find(void *library, const char *name) { return dlsym(library, name); }
void library_close(void *library) { dlclose(library); }

int locale_choose(const char *name) {
  chosen = newlocale(LC_ALL_MASK, name, (locale_t)0);
  return chosen != (locale_t)0;
}

void *locale_enter(void) { return chosen ? uselocale(chosen) : (locale_t)0; }

void locale_leave(void *before) {
  if (before) uselocale(before);
}

void locale_forget(void) {
  if (chosen) freelocale(chosen);
}
#endif

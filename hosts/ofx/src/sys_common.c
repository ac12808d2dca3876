#include "sys.h"

SysWait sys_wait(int ms) {
  SysWait wait = {sys_now() + ms, NULL, NULL};
  return wait;
}

int sys_left(const SysWait *wait, SysResult *why) {
  if (wait->quit && wait->quit(wait->who)) {
    *why = SYS_QUIT;
    return 0;
  }
  int64_t left = wait->end - sys_now();
  if (left <= 0) {
    *why = SYS_TIMEOUT;
    return 0;
  }
  return left < SYS_SLICE ? (int)left : SYS_SLICE;
}

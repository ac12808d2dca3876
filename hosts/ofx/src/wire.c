#include "wire.h"

#include <string.h>

static void put(unsigned char *to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get(const unsigned char *from, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)from[i] << 8 * i;
  return value;
}

SysResult wire_send(SysHandle line, WireType type, uint32_t request, const char *json, size_t length, SysHandle along,
                    const SysWait *wait) {
  unsigned char head[WIRE_HEADER];
  if (length > WIRE_MOST) return SYS_FAILED;
  put(head, WIRE_MAGIC, 4);
  put(head + 4, WIRE_VERSION, 2);
  put(head + 6, (uint32_t)type, 2);
  put(head + 8, request, 4);
  put(head + 12, (uint32_t)length, 4);
  SysResult r = line_send(line, head, sizeof head, along, wait);
  return r == SYS_OK ? line_send(line, json, length, SYS_NO_HANDLE, wait) : r;
}

SysResult wire_receive(SysHandle line, WireHead *head, char *json, const SysWait *wait) {
  unsigned char raw[WIRE_HEADER];
  SysResult r = line_receive(line, raw, sizeof raw, wait);
  if (r != SYS_OK) return r;
  uint32_t type = get(raw + 6, 2);
  *head = (WireHead){(WireType)type, get(raw + 8, 4), get(raw + 12, 4)};
  if (get(raw, 4) != WIRE_MAGIC || get(raw + 4, 2) != WIRE_VERSION || type < WIRE_HELLO || type > WIRE_BYE ||
      head->length > WIRE_MOST)
    return SYS_FAILED;
  r = line_receive(line, json, head->length, wait);
  json[r == SYS_OK ? head->length : 0] = 0;
  return r;
}

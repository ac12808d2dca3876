/* One message of docs/protocol-ofx.md. */
#ifndef TM_WIRE_H
#define TM_WIRE_H

#include "sys.h"

#define WIRE_MAGIC   0x584D4D54u
#define WIRE_VERSION 1
#define WIRE_HEADER  16
#define WIRE_MOST    65536

typedef enum WireType {
  WIRE_HELLO = 1,
  WIRE_ERROR,
  WIRE_OK,
  WIRE_SLOTS,
  WIRE_OPEN,
  WIRE_PROMPTS,
  WIRE_FRAME,
  WIRE_TRACK,
  WIRE_REFINE,
  WIRE_PROGRESS,
  WIRE_DONE,
  WIRE_CANCEL,
  WIRE_MATTE,
  WIRE_STATUS,
  WIRE_BYE
} WireType;

typedef struct WireHead {
  WireType type;
  uint32_t request;
  uint32_t length;
} WireHead;

SysResult wire_send(SysHandle line, WireType, uint32_t request, const char *json, size_t length, SysHandle along,
                    const SysWait *);
/* Read a whole message; `json` holds WIRE_MOST + 1 bytes and is closed by a 0. SYS_FAILED = what came is no such
 * message. */
SysResult wire_receive(SysHandle line, WireHead *, char *json, const SysWait *);

#endif
